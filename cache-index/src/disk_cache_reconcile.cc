#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "disk_cache.h"

/// What open() sets right after a crash, or after somebody touched the directory while nothing ran. One stat a file;
/// no content is read.
namespace samara::cache_index {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> entries(const fs::path& directory) {
  std::vector<fs::path> paths;
  std::error_code error;  // an unreadable directory has nothing that we could remove
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    paths.push_back(it->path());
  }
  return paths;
}

}  // namespace

absl::Status DiskCache::reconcile() {
  std::vector<Store::Change> changes;
  std::unordered_set<Digest> gone;
  SAMARA_RETURN_IF_ERROR(store_->scan(kObjectsTable, "", [&](std::string_view key, std::string_view value) {
    const absl::StatusOr<Digest> digest = Digest::from_key(key);
    const absl::StatusOr<ObjectRow> row = decode_object_row(value);
    struct stat st;
    const bool exists = digest.ok() && row.ok() && ::stat(object_path(*digest).c_str(), &st) == 0;
    const bool cut = exists && row->complete && static_cast<std::uint64_t>(st.st_size) != row->size;
    if (exists) space_.set_file(*digest, static_cast<std::uint64_t>(st.st_blocks) * 512);
    if (exists && !cut) return true;
    if (cut && row->kind == ObjectRow::Kind::kBlob) {  // some of its chunks may still be there
      changes.push_back({kObjectsTable, std::string(key), encode(ObjectRow{.kind = ObjectRow::Kind::kBlob})});
      return true;
    }
    changes.push_back({kObjectsTable, std::string(key), std::nullopt});
    if (digest.ok()) {
      gone.insert(*digest);
      space_.remove_file(*digest);
    }
    return true;
  }));
  if (!gone.empty()) SAMARA_RETURN_IF_ERROR(drop_chunks_of(gone));  // first: else a crash here would leave them for good
  if (!changes.empty()) {
    log::warning("files of the cache are gone or cut; forgot them", {{"files", changes.size()}});
    SAMARA_RETURN_IF_ERROR(store_->write(changes));
  }
  SAMARA_RETURN_IF_ERROR(remove_unknown_files());
  space_.measure_rest();
  return absl::OkStatus();
}

absl::Status DiskCache::drop_chunks_of(const std::unordered_set<Digest>& blobs) {
  std::vector<Store::Change> changes;
  SAMARA_RETURN_IF_ERROR(store_->scan(kChunksTable, "", [&](std::string_view key, std::string_view value) {
    const absl::StatusOr<ChunkRow> row = decode_chunk_row(value);
    if (!row.ok() || blobs.contains(row->blob)) changes.push_back({kChunksTable, std::string(key), std::nullopt});
    return true;
  }));
  return changes.empty() ? absl::OkStatus() : store_->write(changes);
}

/// A crash between a rename, or the first bytes of a blob, and the row leaves a file that nobody would ever remove.
absl::Status DiskCache::remove_unknown_files() {
  for (const fs::path& algorithm : entries(str_cat(root_, "/objects"))) {
    for (const fs::path& prefix : entries(algorithm)) {
      for (const fs::path& file : entries(prefix)) {
        const auto digest = Digest::parse(str_cat(algorithm.filename().string(), ":", file.filename().string()));
        if (!digest.ok() || !absl::IsNotFound(object_row(*digest).status())) continue;
        if (::unlink(file.c_str()) != 0) return errno_status(errno, str_cat("unlink ", file.string()));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace samara::cache_index
