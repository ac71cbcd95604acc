#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/http/client.h"
#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "progress_line.h"
#include "site_options.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(Of each blob that the node or site shares: pieces here, peers, rates, bytes and their ratio (out / in); of each that was
read, where its bytes came from. Then all that was read since the start, by where it came from (memory, cache, neighbours,
site, sibling, parent, swarm) and how badly it was wanted.

Examples:
  samara swarm
  samara swarm --address http://127.0.0.1:7700
  samara swarm --json)";

struct Options {
  peer::SiteAccess::Options access;
  std::string address = "http://127.0.0.1:7701";
  bool json = false;
};

absl::StatusOr<std::string> get(const Options& options, std::string_view path) {
  SAMARA_ASSIGN_OR_RETURN(const peer::SiteAccess access, peer::SiteAccess::create(options.access));
  http::Client client;
  http::ClientRequest request;
  request.url = str_cat(absl::StripSuffix(options.address, "/"), path);
  access.apply(request);
  SAMARA_ASSIGN_OR_RETURN(const http::Response response, client.get(request, 64u << 20));
  if (response.head.status == 200) return response.body;
  if (response.head.status == 404) return std::string();  // it takes part in no swarm
  return absl::UnavailableError(str_cat(request.url, " answers ", response.head.status, ": ", response.body));
}

/// A number where it is one.
nlohmann::json value_of(absl::string_view text) {
  std::uint64_t number = 0;
  if (absl::SimpleAtoi(text, &number)) return number;
  return std::string(text);
}

/// Blocks of "key value" lines; peer/swarm_states.h has the keys.
nlohmann::json parse_blobs(const std::string& text) {
  nlohmann::json blobs = nlohmann::json::array();
  for (const absl::string_view block : absl::StrSplit(text, "\n\n", absl::SkipEmpty())) {
    nlohmann::json blob = nlohmann::json::object();
    for (const absl::string_view line : absl::StrSplit(block, '\n', absl::SkipEmpty())) {
      const std::pair<absl::string_view, absl::string_view> pair = absl::StrSplit(line, absl::MaxSplits(' ', 1));
      blob[std::string(pair.first)] = value_of(pair.second);
    }
    blobs.push_back(std::move(blob));
  }
  return blobs;
}

std::string label(absl::string_view line, std::string_view name) {
  const std::string begin = str_cat(name, "=\"");
  const std::size_t at = line.find(begin);
  if (at == absl::string_view::npos) return "";
  const absl::string_view rest = line.substr(at + begin.size());
  return std::string(rest.substr(0, rest.find('"')));
}

/// {"site": {"blocking": N, …}, …}: bytes by source and class, of those that gave any.
nlohmann::json parse_sources(const std::string& metrics) {
  nlohmann::json sources = nlohmann::json::object();
  for (const absl::string_view line : absl::StrSplit(metrics, '\n')) {
    const bool by_swarm = absl::StartsWith(line, "samara_fetched_bytes_total{source=\"swarm\"}");
    if (!by_swarm && !absl::StartsWith(line, "samara_chunk_bytes_total{")) continue;
    double bytes = 0;
    if (!absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &bytes) || bytes <= 0) continue;
    nlohmann::json& source = sources[label(line, "source")];
    source[by_swarm ? "background" : label(line, "class")] = static_cast<std::uint64_t>(bytes);
  }
  return sources;
}

std::uint64_t number(const nlohmann::json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number_unsigned() ? it->get<std::uint64_t>() : 0;
}

std::string text(const nlohmann::json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

/// "read from memory 1.2 MiB, site 30 MiB": where the blob's bytes came from that were read here.
void print_sources(const nlohmann::json& blob) {
  std::string line;
  for (const auto& [key, bytes] : blob.items()) {
    if (!absl::StartsWith(key, "from_") || !bytes.is_number_unsigned()) continue;
    str_append(&line, line.empty() ? "  read from " : ", ", key.substr(5), " ", human_size(bytes.get<std::uint64_t>()));
  }
  if (!line.empty()) std::printf("%s\n", line.c_str());
}

void print_share(const nlohmann::json& blob) {
  const std::uint64_t down = number(blob, "downloaded"), up = number(blob, "uploaded");
  std::printf("  %llu of %llu pieces%s, %llu peers, in %s (%s/s), out %s (%s/s)",
              static_cast<unsigned long long>(number(blob, "pieces")), static_cast<unsigned long long>(number(blob, "pieces_total")),
              number(blob, "paused") != 0 ? ", paused" : "", static_cast<unsigned long long>(number(blob, "peers")),
              human_size(down).c_str(), human_size(number(blob, "download_rate")).c_str(), human_size(up).c_str(),
              human_size(number(blob, "upload_rate")).c_str());
  if (down > 0) std::printf(", ratio %.2f", static_cast<double>(up) / static_cast<double>(down));
  if (const std::uint64_t wrong = number(blob, "wrong_pieces"); wrong > 0)
    std::printf(", %llu wrong pieces", static_cast<unsigned long long>(wrong));
  std::printf("\n");
  if (const std::string error = text(blob, "tracker_error"); !error.empty()) std::printf("  tracker: %s\n", error.c_str());
}

void print_blob(const nlohmann::json& blob) {
  std::printf("%s\n", text(blob, "blob").c_str());
  if (blob.contains("pieces_total")) print_share(blob);
  print_sources(blob);
}

absl::Status show(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(const std::string states, get(options, "/samara/v1/swarms"));
  SAMARA_ASSIGN_OR_RETURN(const std::string metrics, get(options, "/metrics"));
  const nlohmann::json blobs = parse_blobs(states), sources = parse_sources(metrics);
  if (options.json) {
    const nlohmann::json all = {{"blobs", blobs}, {"sources", sources}};
    std::printf("%s\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return absl::OkStatus();
  }
  if (blobs.empty()) std::printf("no blobs are shared, and none were read\n");
  for (const nlohmann::json& blob : blobs) print_blob(blob);
  for (const auto& [source, classes] : sources.items()) {
    std::printf("from %-11s", source.c_str());
    for (const auto& [name, bytes] : classes.items()) std::printf("  %s %s", name.c_str(), human_size(bytes.get<std::uint64_t>()).c_str());
    std::printf("\n");
  }
  return absl::OkStatus();
}

}  // namespace

void add_swarm(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("swarm", "Shows what is shared with whom, and where reads were answered from");
  command->footer(kHelp);
  command->add_option("--address", options->address, "The HTTP address of a node, or a site's URL")->capture_default_str();
  command->add_flag("--json", options->json, "Print JSON");
  add_site_access(*command, options->access);
  command->callback([options, &exit_code] { exit_code = report(show(*options)); });
}

}  // namespace samara::cli
