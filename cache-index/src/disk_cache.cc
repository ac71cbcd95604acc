#include "disk_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "object_file_writer.h"

namespace samara::cache_index {
namespace {

constexpr char kFormatKey[] = "format";
constexpr std::uint32_t kFormatVersion = 1;
constexpr std::size_t kOpenBlobs = 64;

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

absl::Status empty_directory(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return errno_status(error.value(), str_cat("remove ", path));
  return make_directories(path);
}

}  // namespace

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

absl::StatusOr<std::unique_ptr<Cache>> Cache::open(const Options& options, std::vector<std::string> extra_tables) {
  std::vector<std::string> tables = {kMetaTable, kObjectsTable, kChunksTable, kLayersTable};
  tables.insert(tables.end(), extra_tables.begin(), extra_tables.end());
  SAMARA_RETURN_IF_ERROR(make_directories(str_cat(options.root, "/objects")));
  SAMARA_ASSIGN_OR_RETURN(std::unique_ptr<Store> store, Store::open(str_cat(options.root, "/db"), tables));
  SAMARA_RETURN_IF_ERROR(check_format(*store, options.root));
  // The store's lock is ours from here on, so nobody is writing in incoming/.
  SAMARA_RETURN_IF_ERROR(empty_directory(str_cat(options.root, "/incoming")));
  auto cache = std::make_unique<DiskCache>(options.root, std::move(store));
  SAMARA_RETURN_IF_ERROR(cache->reconcile());
  return cache;
}

DiskCache::DiskCache(std::string root, std::unique_ptr<Store> store)
    : root_(std::move(root)), store_(std::move(store)), files_(kOpenBlobs) {}

std::string DiskCache::object_path(const Digest& digest) const {
  const std::string hex = digest.hex();
  return str_cat(root_, "/objects/", digest.algorithm_name(), "/", hex.substr(0, 2), "/", hex);
}

std::string DiskCache::incoming_path(std::string_view kind) {
  return str_cat(root_, "/incoming/", kind, ".", next_incoming_.fetch_add(1));
}

absl::StatusOr<ObjectRow> DiskCache::object_row(const Digest& digest) const {
  const absl::StatusOr<std::string> row = store_->get(kObjectsTable, digest.key());
  if (absl::IsNotFound(row.status())) return absl::NotFoundError(str_cat(digest.to_string(), " is not in the cache"));
  SAMARA_RETURN_IF_ERROR(row.status());
  return decode_object_row(*row);
}

bool DiskCache::has_object(const Digest& digest) const {
  const absl::StatusOr<ObjectRow> row = object_row(digest);
  struct stat st;
  return row.ok() && row->complete && ::stat(object_path(digest).c_str(), &st) == 0 &&
         static_cast<std::uint64_t>(st.st_size) == row->size;
}

absl::StatusOr<ObjectFile> DiskCache::open_object(const Digest& digest) const {
  SAMARA_ASSIGN_OR_RETURN(const ObjectRow row, object_row(digest));
  if (!row.complete) return absl::NotFoundError(str_cat(digest.to_string(), " is in the cache only in part"));
  ObjectFile file;
  file.size = row.size;
  absl::StatusOr<Fd> fd = open_file(object_path(digest), O_RDONLY);
  SAMARA_RETURN_IF_ERROR(annotate(fd.status(), digest.to_string()));
  file.fd = *std::move(fd);
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t size, file_size(file.fd.get()));
  if (size != row.size) {
    return absl::NotFoundError(str_cat(digest.to_string(), " has ", size, " of ", row.size, " bytes on disk"));
  }
  // A blob is checked chunk by chunk by whoever reads it.
  if (row.kind == ObjectRow::Kind::kObject) {
    if (absl::Status right = verify_once(digest, file); !right.ok()) {
      log::warning("dropped an object that was altered on disk", {{"digest", digest.to_string()}});
      SAMARA_RETURN_IF_ERROR(store_->write({{kObjectsTable, digest.key(), std::nullopt}}));
      return right;
    }
  }
  return file;
}

absl::Status DiskCache::verify_once(const Digest& digest, const ObjectFile& file) const {
  {
    const std::lock_guard lock(mutex_);
    if (verified_.contains(digest)) return absl::OkStatus();
  }
  SAMARA_RETURN_IF_ERROR(check_file(digest, file.fd.get(), file.size));
  const std::lock_guard lock(mutex_);
  verified_.insert(digest);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> DiskCache::create_object(const Digest& digest) {
  return ObjectFileWriter::create(*this, digest, incoming_path("object"));
}

absl::Status DiskCache::put_object(const Digest& digest, std::span<const std::uint8_t> bytes) {
  SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<ObjectWriter> writer, create_object(digest));
  SAMARA_RETURN_IF_ERROR(writer->append(bytes));
  return writer->commit();
}

absl::Status DiskCache::move_into_place(const Digest& digest, const std::string& from) {
  const std::string path = object_path(digest);
  SAMARA_RETURN_IF_ERROR(make_directories(path.substr(0, path.rfind('/'))));
  files_.forget(digest);
  if (::rename(from.c_str(), path.c_str()) != 0) return errno_status(errno, str_cat("rename ", from, " to ", path));
  return absl::OkStatus();
}

absl::Status DiskCache::publish_object(const Digest& digest, const std::string& incoming, std::uint64_t size) {
  ObjectRow row{.kind = ObjectRow::Kind::kObject, .complete = true, .size = size};
  // A blob that was here in part is here whole now; its chunks' rows stay true.
  if (const auto known = object_row(digest); known.ok()) row.kind = known->kind;
  SAMARA_RETURN_IF_ERROR(move_into_place(digest, incoming));
  SAMARA_RETURN_IF_ERROR(store_->write({{kObjectsTable, digest.key(), encode(row)}}));
  const std::lock_guard lock(mutex_);
  verified_.insert(digest);
  return absl::OkStatus();
}

absl::Status DiskCache::remove_object(const Digest& digest) {
  const absl::StatusOr<ObjectRow> row = object_row(digest);
  if (absl::IsNotFound(row.status())) return absl::OkStatus();
  SAMARA_RETURN_IF_ERROR(store_->write({{kObjectsTable, digest.key(), std::nullopt}}));
  if (row.ok() && row->kind == ObjectRow::Kind::kBlob) SAMARA_RETURN_IF_ERROR(drop_chunks_of({digest}));
  {
    const std::lock_guard lock(mutex_);
    verified_.erase(digest);
  }
  files_.forget(digest);
  if (::unlink(object_path(digest).c_str()) != 0 && errno != ENOENT) {
    return errno_status(errno, str_cat("unlink ", object_path(digest)));
  }
  return absl::OkStatus();
}

absl::StatusOr<Cache::Usage> DiskCache::usage() const {
  Usage usage;
  SAMARA_RETURN_IF_ERROR(store_->scan(kObjectsTable, "", [&](std::string_view key, std::string_view) {
    const absl::StatusOr<Digest> digest = Digest::from_key(key);
    struct stat st;
    if (!digest.ok() || ::stat(object_path(*digest).c_str(), &st) != 0) return true;
    ++usage.objects;
    usage.disk_bytes += static_cast<std::uint64_t>(st.st_blocks) * 512;
    return true;
  }));
  return usage;
}

}  // namespace samara::cache_index
