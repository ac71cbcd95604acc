#include "cache_check.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "cache_rows.h"

namespace samara::cache_index {
namespace {

constexpr char kFormatKey[] = "format";
constexpr std::uint32_t kFormatVersion = 1;

absl::Status write_version(Store& store) {
  return store.write({{kMetaTable, kFormatKey, std::to_string(kFormatVersion)}}, Store::Sync::kYes);
}

/// The rows go, and open() then removes the files that no row names. What an operator said stays, and so do other
/// components' tables. The version is written last: after a crash in between this is done again.
absl::Status begin_anew(Store& store) {
  for (const char* table : {kLayersTable, kObjectsTable, kChunksTable}) {
    std::vector<Store::Change> changes;
    SAMARA_RETURN_IF_ERROR(store.scan(table, "", [&](std::string_view key, std::string_view) {
      changes.push_back({table, std::string(key), std::nullopt});
      return true;
    }));
    SAMARA_RETURN_IF_ERROR(store.write(changes));
  }
  return write_version(store);
}

}  // namespace

absl::Status check_format(Store& store, std::string_view root, OlderFormat older) {
  const absl::StatusOr<std::string> row = store.get(kMetaTable, kFormatKey);
  if (absl::IsNotFound(row.status())) return write_version(store);
  SAMARA_RETURN_IF_ERROR(row.status());
  std::uint32_t version = 0;
  const auto [end, error] = std::from_chars(row->data(), row->data() + row->size(), version);
  if (error != std::errc() || end != row->data() + row->size()) {
    return absl::DataLossError(str_cat("the cache ", root, " has a damaged format version"));
  }
  if (version > kFormatVersion) {
    return absl::FailedPreconditionError(str_cat("the cache ", root, " has format version ", version,
                                                 "; this program knows ", kFormatVersion));
  }
  if (version < kFormatVersion && older == OlderFormat::kRefuse) {
    return absl::FailedPreconditionError(str_cat("the cache ", root, " has format version ", version,
                                                 ", which a daemon of this version throws away"));
  }
  if (version < kFormatVersion) {
    log::warning("the cache has an older format; it begins anew, and what it had is fetched again",
                 {{"cache", root}, {"version", version}, {"now", kFormatVersion}});
    return begin_anew(store);
  }
  return absl::OkStatus();
}

absl::Status check_file(const Digest& digest, int fd, std::uint64_t size) {
  Hasher hasher(digest.algorithm());
  std::vector<std::uint8_t> buffer(1u << 20);
  for (std::uint64_t at = 0; at < size;) {
    const std::span<std::uint8_t> part(buffer.data(), std::min<std::uint64_t>(buffer.size(), size - at));
    SAMARA_RETURN_IF_ERROR(pread_all(fd, part, at));
    hasher.update(part);
    at += part.size();
  }
  if (hasher.finish() != digest) return absl::DataLossError(str_cat(digest.to_string(), " was altered on disk"));
  return absl::OkStatus();
}

}  // namespace samara::cache_index
