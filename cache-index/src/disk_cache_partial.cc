#include <fcntl.h>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_check.h"
#include "cache_index/frame.h"
#include "cache_index/hasher.h"
#include "disk_cache.h"

/// Blobs whose bytes arrive in any order, written by somebody else than the cache: the swarm.
namespace samara::cache_index {

absl::StatusOr<Fd> DiskCache::open_partial(const Digest& blob) {
  const auto lock = locks_.exclusive(blob);
  const absl::StatusOr<ObjectRow> known = object_row(blob);
  if (known.ok() && known->complete) return absl::AlreadyExistsError(str_cat("the cache has all of ", blob.to_string()));
  if (!known.ok() && !absl::IsNotFound(known.status())) return known.status();
  SAMARA_RETURN_IF_ERROR(open_blob(blob).status());  // makes the file and its directory
  SAMARA_ASSIGN_OR_RETURN(Fd file, open_file(object_path(blob), O_RDWR));
  const ObjectRow row{.kind = ObjectRow::Kind::kBlob, .last_use = now()};
  {
    const std::lock_guard rows(rows_);
    SAMARA_RETURN_IF_ERROR(store_->write({{kObjectsTable, blob.key(), encode(row)}}));
  }
  const std::lock_guard in_memory(mutex_);
  written_elsewhere_.insert(blob);
  leaving_.erase(blob);
  marks_.touch(blob);
  return file;
}

absl::Status DiskCache::adopt_frame(const Digest& blob, const Chunk& chunk) {
  if (chunk.blob_size > kMaxFrameBytes) return absl::InvalidArgumentError(str_cat("frame of ", chunk.blob_size, " bytes"));
  if (has_chunk(chunk.digest)) return absl::OkStatus();
  const ChunkRow row{.blob = blob,
                     .offset = chunk.blob_offset,
                     .frame_size = chunk.blob_size,
                     .stream_size = chunk.stream_size,
                     .last_use = now()};
  const auto lock = locks_.shared(blob);
  if (is_leaving(blob)) return absl::NotFoundError(str_cat(blob.to_string(), " is being evicted"));
  SAMARA_ASSIGN_OR_RETURN(const Frame frame, read_frame(row));
  SAMARA_RETURN_IF_ERROR(open_frame(chunk, frame.bytes()).status());
  return store_->write({{kChunksTable, chunk.digest.key(), encode(row)}});
}

absl::Status DiskCache::fill_in(const Digest& blob, const Chunk& chunk) {
  SAMARA_ASSIGN_OR_RETURN(const ChunkRow row, chunk_row(chunk.digest));
  if (row.blob == blob && row.offset == chunk.blob_offset) return absl::OkStatus();
  if (row.frame_size != chunk.blob_size) {
    return absl::FailedPreconditionError(str_cat("chunk ", chunk.digest.brief(), " is here as another frame"));
  }
  SAMARA_ASSIGN_OR_RETURN(const Frame frame, read_frame(row));
  SAMARA_RETURN_IF_ERROR(make_room(frame.size));
  const auto lock = locks_.shared(blob);
  SAMARA_ASSIGN_OR_RETURN(const ObjectRow known, object_row(blob));
  if (known.complete) return absl::OkStatus();
  SAMARA_ASSIGN_OR_RETURN(const OpenFiles::File file, open_blob(blob));
  const absl::Status written = write_frame(blob, chunk, frame.bytes(), file->get());
  space_.set_file(blob, file->get());
  return annotate(written, str_cat("fill in ", object_path(blob)));
}

absl::Status DiskCache::complete_partial(const Digest& blob, std::uint64_t size) {
  const auto lock = locks_.exclusive(blob);
  SAMARA_ASSIGN_OR_RETURN(ObjectRow row, object_row(blob));
  if (row.complete) return absl::OkStatus();
  SAMARA_ASSIGN_OR_RETURN(const OpenFiles::File file, open_blob(blob));
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t there, file_size(file->get()));
  if (there != size) return absl::DataLossError(str_cat(blob.to_string(), " has ", there, " of ", size, " bytes"));
  SAMARA_RETURN_IF_ERROR(check_file(blob, file->get(), size));
  row.complete = true;
  row.size = size;
  row.last_use = now();
  space_.set_file(blob, file->get());
  {
    const std::lock_guard in_memory(mutex_);
    written_elsewhere_.erase(blob);
  }
  const std::lock_guard rows(rows_);
  return store_->write({{kObjectsTable, blob.key(), encode(row)}});
}

// What is written past us is counted now and then.
void DiskCache::measure_partials() {
  std::unordered_set<Digest> blobs;
  {
    const std::lock_guard in_memory(mutex_);
    blobs = written_elsewhere_;
  }
  for (const Digest& blob : blobs) {
    if (const auto file = files_.open(blob, object_path(blob), O_RDWR); file.ok()) space_.set_file(blob, (*file)->get());
  }
}

}  // namespace samara::cache_index
