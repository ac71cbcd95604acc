#include "hosts_directory.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_split.h"
#include "base/config.h"
#include "base/file.h"
#include "base/text.h"

namespace samara::cli {
namespace {

namespace fs = std::filesystem;

HostsEntry::Host read_host(Config& table) {
  HostsEntry::Host host;
  host.url = table.key();
  const std::vector<std::string> all{"pull", "resolve", "push"};
  const auto capabilities = table.texts("capabilities", all);  // containerd's own default
  const auto has = [&](const char* name) { return std::find(capabilities.begin(), capabilities.end(), name) != capabilities.end(); };
  host.pull = has("pull");
  host.resolve = has("resolve");
  return host;
}

void read_entry(const fs::path& directory, HostsDirectory& into) {
  const std::string registry = directory.filename().string();
  if (std::any_of(into.entries.begin(), into.entries.end(), [&](const auto& entry) { return entry.registry == registry; })) return;
  const std::string path = (directory / "hosts.toml").string();
  const auto text = read_file(path, 1u << 20);
  if (absl::IsNotFound(text.status())) return;
  auto config = text.ok() ? Config::parse(*text, path) : absl::StatusOr<Config>(text.status());
  if (!config.ok()) {
    const std::string_view message = to_std(config.status().message());
    into.failures.push_back(message.starts_with(path) ? std::string(message) : str_cat(path, ": ", message));
    return;
  }
  HostsEntry entry{registry, path, config->text("server"), {}};
  for (Config* host : config->tables("host")) entry.hosts.push_back(read_host(*host));
  into.entries.push_back(std::move(entry));
}

}  // namespace

HostsDirectory read_hosts(std::string_view config_path, const std::string& root) {
  HostsDirectory result;
  result.path = config_path;
  for (const auto part : absl::StrSplit(to_absl(config_path), ':', absl::SkipEmpty())) {
    std::error_code error;
    std::vector<fs::path> directories;
    for (fs::directory_iterator it(str_cat(root, to_std(part)), error), end; !error && it != end; it.increment(error))
      if (it->is_directory(error)) directories.push_back(it->path());
    if (error && error != std::errc::no_such_file_or_directory)
      result.failures.push_back(str_cat(to_std(part), ": ", error.message()));
    std::sort(directories.begin(), directories.end());
    for (const fs::path& directory : directories) read_entry(directory, result);
  }
  return result;
}

}  // namespace samara::cli
