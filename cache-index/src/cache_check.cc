#include "cache_check.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "cache_rows.h"

namespace samara::cache_index {
namespace {

constexpr char kFormatKey[] = "format";
constexpr std::uint32_t kFormatVersion = 1;

}  // namespace

absl::Status check_format(Store& store, std::string_view root) {
  const absl::StatusOr<std::string> row = store.get(kMetaTable, kFormatKey);
  if (absl::IsNotFound(row.status())) {
    return store.write({{kMetaTable, kFormatKey, std::to_string(kFormatVersion)}}, Store::Sync::kYes);
  }
  SAMARA_RETURN_IF_ERROR(row.status());
  std::uint32_t version = 0;
  const auto [end, error] = std::from_chars(row->data(), row->data() + row->size(), version);
  if (error != std::errc() || end != row->data() + row->size() || version == 0) {
    return absl::DataLossError(str_cat("the cache ", root, " has a damaged format version"));
  }
  if (version > kFormatVersion) {
    return absl::FailedPreconditionError(str_cat("the cache ", root, " has format version ", version,
                                                 "; this program knows ", kFormatVersion));
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
