#include "disk_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>


#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_check.h"
#include "cache_paths.h"
#include "cache_index/hasher.h"

namespace samara::cache_index {
namespace {

constexpr std::size_t kOpenBlobs = 64;

}  // namespace

absl::StatusOr<std::unique_ptr<Cache>> Cache::open(const Options& options, std::vector<std::string> extra_tables) {
  std::vector<std::string> tables = {kMetaTable, kObjectsTable, kChunksTable, kLayersTable, kPinsTable};
  tables.insert(tables.end(), extra_tables.begin(), extra_tables.end());
  SAMARA_RETURN_IF_ERROR(make_directories(str_cat(options.root, "/objects")));
  SAMARA_ASSIGN_OR_RETURN(std::unique_ptr<Store> store, Store::open(str_cat(options.root, "/db"), tables));
  SAMARA_RETURN_IF_ERROR(check_format(*store, options.root, OlderFormat::kBeginAnew));
  auto cache = std::make_unique<DiskCache>(options, std::move(store));
  SAMARA_RETURN_IF_ERROR(cache->tidy_incoming());  // the store's lock is ours, so nobody writes there
  SAMARA_RETURN_IF_ERROR(cache->reconcile());
  return cache;
}

DiskCache::DiskCache(const Options& options, std::unique_ptr<Store> store)
    : root_(options.root),
      clock_(options.clock != nullptr ? *options.clock : system_clock_),
      metrics_(options.metrics != nullptr ? *options.metrics : own_metrics_),
      store_(std::move(store)),
      files_(kOpenBlobs),
      space_(options.root, options.limits),
      can_punch_holes_(can_punch_holes_in(str_cat(options.root, "/objects"))),
      evictor_(space_, clock_,
               Evictor::Work{[this](std::uint64_t target) {
                               const absl::StatusOr<std::uint64_t> freed = evict_to(target);
                               if (!freed.ok()) log::error("the cache can't evict", {{"error", freed.status()}});
                             },
                             [this] { housekeeping(); }}) {
  if (!can_punch_holes_) {
    log::warning("the filesystem can't give back parts of files; what is here in part isn't evicted", {{"cache", root_}});
  }
}

DiskCache::~DiskCache() {
  stop_eviction();
  if (const absl::Status status = flush_uses(); !status.ok()) {
    log::warning("the cache can't write down what was used", {{"error", status}});  // only the order of eviction
  }
}

std::string DiskCache::object_path(const Digest& digest) const { return object_path_in(root_, digest); }

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
  const absl::StatusOr<ObjectRow> known = object_row(digest);
  if (!known.ok() || !known->complete) metrics_.object_misses.add();
  SAMARA_ASSIGN_OR_RETURN(const ObjectRow row, known);
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
    const absl::Status right = verify_once(digest, file);
    if (absl::IsDataLoss(right)) SAMARA_RETURN_IF_ERROR(drop_altered(digest));
    SAMARA_RETURN_IF_ERROR(right);
  }
  uses_.note_object(digest, row.last_use, now());
  metrics_.object_hits.add();
  return file;
}

absl::Status DiskCache::drop_altered(const Digest& digest) const {
  const auto lock = locks_.exclusive(digest);
  SAMARA_ASSIGN_OR_RETURN(const ObjectRow row, object_row(digest));
  {
    const absl::StatusOr<Fd> fd = open_file(object_path(digest), O_RDONLY);
    if (fd.ok() && check_file(digest, fd->get(), row.size).ok()) return absl::OkStatus();  // somebody put it again
  }
  log::warning("dropped an object that was altered on disk", {{"digest", digest.to_string()}});
  const std::lock_guard rows(rows_);
  SAMARA_RETURN_IF_ERROR(forget_object(digest));
  return unlink_object(digest);
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

absl::Status DiskCache::move_into_place(const Digest& digest, const std::string& from) {
  const std::string path = object_path(digest);
  SAMARA_RETURN_IF_ERROR(make_directories(path.substr(0, path.rfind('/'))));
  files_.forget(digest);
  if (::rename(from.c_str(), path.c_str()) != 0) return errno_status(errno, str_cat("rename ", from, " to ", path));
  struct stat st;
  if (::stat(path.c_str(), &st) == 0) space_.set_file(digest, static_cast<std::uint64_t>(st.st_blocks) * 512);
  return absl::OkStatus();
}

absl::Status DiskCache::publish_object(const Digest& digest, const std::string& incoming, std::uint64_t size) {
  const auto file = locks_.exclusive(digest);
  ObjectRow row{.kind = ObjectRow::Kind::kObject, .complete = true, .size = size, .last_use = now()};
  // A blob that was here in part is here whole now; its chunks' rows stay true.
  if (const auto known = object_row(digest); known.ok()) row.kind = known->kind;
  SAMARA_RETURN_IF_ERROR(move_into_place(digest, incoming));
  const std::lock_guard rows(rows_);
  SAMARA_RETURN_IF_ERROR(store_->write({{kObjectsTable, digest.key(), encode(row)}}));
  const std::lock_guard lock(mutex_);
  leaving_.erase(digest);
  verified_.insert(digest);
  return absl::OkStatus();
}

absl::Status DiskCache::remove_object(const Digest& digest) {
  const auto file = locks_.exclusive(digest);
  const absl::StatusOr<ObjectRow> row = object_row(digest);
  if (absl::IsNotFound(row.status())) return absl::OkStatus();
  const std::lock_guard rows(rows_);
  if (row.ok() && row->kind == ObjectRow::Kind::kBlob) SAMARA_RETURN_IF_ERROR(drop_chunks_of({digest}));
  SAMARA_RETURN_IF_ERROR(forget_object(digest));
  return unlink_object(digest);
}

absl::StatusOr<Cache::Usage> DiskCache::usage() const {
  return Usage{.objects = space_.files(),
               .disk_bytes = space_.used(),
               .limit = space_.limit().value_or(0),
               .pinned_bytes = pinned_bytes_};
}

}  // namespace samara::cache_index
