#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "disk_cache.h"
#include "object_file_writer.h"

/// incoming/: layers being converted, and parts of objects, which wait there for the rest to come.
namespace samara::cache_index {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".part";
constexpr std::uint64_t kKeepPartFor = 24 * 3600;  // seconds

struct Part {
  fs::path path;
  Digest digest;
  std::uint64_t size = 0, modified = 0;
};

/// nullopt for what isn't the part of an object.
std::optional<Part> part_at(const fs::path& path) {
  const std::string name = path.filename().string();
  struct stat st;
  if (!name.ends_with(kSuffix) || ::lstat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return std::nullopt;
  std::string text = name.substr(0, name.size() - kSuffix.size());
  std::replace(text.begin(), text.end(), '-', ':');
  const absl::StatusOr<Digest> digest = Digest::parse(text);
  if (!digest.ok()) return std::nullopt;
  return Part{path, *digest, static_cast<std::uint64_t>(st.st_size), static_cast<std::uint64_t>(st.st_mtim.tv_sec)};
}

std::vector<fs::path> entries_of(const fs::path& directory) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) paths.push_back(it->path());
  return paths;
}

}  // namespace

std::string DiskCache::incoming_path(std::string_view kind) {
  return str_cat(root_, "/incoming/", kind, ".", next_incoming_.fetch_add(1));
}

std::string DiskCache::partial_path(const Digest& digest) const {
  return str_cat(root_, "/incoming/", digest.algorithm_name(), "-", digest.hex(), kSuffix);
}

absl::Status DiskCache::tidy_incoming() {
  const std::string directory = str_cat(root_, "/incoming");
  SAMARA_RETURN_IF_ERROR(make_directories(directory));
  for (const fs::path& path : entries_of(directory)) {
    const std::optional<Part> part = part_at(path);
    if (part && part->modified + kKeepPartFor > now() && !has_object(part->digest)) {
      space_.add_incoming(static_cast<std::int64_t>(part->size));
      continue;
    }
    std::error_code error;
    fs::remove_all(path, error);
    if (error) return errno_status(error.value(), str_cat("remove ", path.string()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> DiskCache::create_object(const Digest& digest) {
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    is_first = arriving_.insert(digest).second;
  }
  if (!is_first) return ObjectFileWriter::create(*this, digest, incoming_path("object"));
  auto writer = ObjectFileWriter::take_up(*this, digest, partial_path(digest));
  if (!writer.ok()) release_partial(digest);
  return writer;
}

void DiskCache::release_partial(const Digest& digest) {
  const std::lock_guard lock(mutex_);
  arriving_.erase(digest);
}

absl::Status DiskCache::put_object(const Digest& digest, std::span<const std::uint8_t> bytes) {
  SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<ObjectWriter> writer,
                          ObjectFileWriter::create(*this, digest, incoming_path("object")));
  SAMARA_RETURN_IF_ERROR(writer->append(bytes));
  return writer->commit();
}

absl::StatusOr<std::string> DiskCache::create_incoming_directory() {
  const std::string path = incoming_path("layer");
  SAMARA_RETURN_IF_ERROR(make_directories(path));
  return path;
}

void DiskCache::drop_partials(std::uint64_t bytes) {
  std::vector<Part> parts;
  for (const fs::path& path : entries_of(str_cat(root_, "/incoming"))) {
    if (std::optional<Part> part = part_at(path)) parts.push_back(*std::move(part));
  }
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.modified < b.modified; });
  for (const Part& part : parts) {
    if (space_.used() <= bytes) return;
    {
      const std::lock_guard lock(mutex_);
      if (!arriving_.insert(part.digest).second) continue;  // being written
    }
    if (::unlink(part.path.c_str()) == 0) space_.add_incoming(-static_cast<std::int64_t>(part.size));
    release_partial(part.digest);
  }
}

}  // namespace samara::cache_index
