#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/frame.h"
#include "disk_cache.h"
#include "frame_content.h"

/// Chunks: frames in the sparse files of blobs, and the rows that say where.
namespace samara::cache_index {
namespace {

constexpr std::uint64_t kMaxBlobBytes = std::numeric_limits<std::int64_t>::max();  // what an off_t reaches

/// The distinct frames of an index: a chunk that comes again shares the frame of its first time.
struct Frames {
  std::vector<std::string> keys;      // of their chunks
  std::vector<std::uint32_t> sizes;   // in bytes
  std::vector<std::uint32_t> uses;    // how many positions of the chunk table they serve
};

absl::StatusOr<Frames> frames_of(const IndexReader& index) {
  Frames frames;
  std::unordered_map<std::string, std::size_t> seen;
  for (std::uint32_t i = 0; i < index.info().chunk_count; ++i) {
    SAMARA_ASSIGN_OR_RETURN(const Chunk chunk, index.chunk(i));
    const auto [it, is_new] = seen.try_emplace(chunk.digest.key(), frames.keys.size());
    if (is_new) {
      frames.keys.push_back(it->first);
      frames.sizes.push_back(chunk.blob_size);
      frames.uses.push_back(0);
    }
    ++frames.uses[it->second];
  }
  return frames;
}

absl::Status expect_same(int fd, std::span<const std::uint8_t> frame, std::uint64_t offset, const Digest& blob) {
  std::vector<std::uint8_t> stored(frame.size());
  const absl::Status read = pread_all(fd, stored, offset);
  if (read.ok() && std::equal(stored.begin(), stored.end(), frame.begin())) return absl::OkStatus();
  return absl::FailedPreconditionError(
      str_cat("the cache has all of ", blob.to_string(), " and other bytes at ", offset, " than this frame"));
}

}  // namespace

absl::StatusOr<ChunkRow> DiskCache::chunk_row(const Digest& chunk) const {
  const absl::StatusOr<std::string> row = store_->get(kChunksTable, chunk.key());
  if (absl::IsNotFound(row.status())) return absl::NotFoundError(str_cat("no chunk ", chunk.brief(), " in the cache"));
  SAMARA_RETURN_IF_ERROR(row.status());
  return decode_chunk_row(*row);
}

bool DiskCache::has_chunk(const Digest& chunk) const { return chunk_row(chunk).ok(); }

absl::Status DiskCache::put_frame(const Digest& blob, const Chunk& chunk, std::span<const std::uint8_t> frame) {
  if (frame.size() != chunk.blob_size || frame.size() > kMaxFrameBytes ||
      chunk.blob_offset > kMaxBlobBytes - kMaxFrameBytes) {
    return absl::InvalidArgumentError(str_cat("frame of ", frame.size(), " bytes at ", chunk.blob_offset,
                                              " for chunk ", chunk.digest.brief()));
  }
  if (has_chunk(chunk.digest)) return absl::OkStatus();
  SAMARA_RETURN_IF_ERROR(make_room(frame.size()));

  const auto lock = locks_.shared(blob);
  if (is_leaving(blob)) return absl::ResourceExhaustedError(str_cat(blob.to_string(), " is being evicted"));
  SAMARA_ASSIGN_OR_RETURN(const OpenFiles::File file, open_blob(blob));
  SAMARA_RETURN_IF_ERROR(store_frame(blob, chunk, frame, file->get()));
  space_.set_file(blob, file->get());
  const std::lock_guard in_memory(mutex_);
  written_.insert(blob);
  return absl::OkStatus();
}

// Bytes, then rows; under the file's lock.
absl::Status DiskCache::store_frame(const Digest& blob, const Chunk& chunk, std::span<const std::uint8_t> frame, int fd) {
  const absl::StatusOr<ObjectRow> known = object_row(blob);
  if (known.ok() && known->complete) {
    // A whole object is served as it is, so nothing may be written into it; not what a wrong index wants there either.
    SAMARA_RETURN_IF_ERROR(expect_same(fd, frame, chunk.blob_offset, blob));
  } else {
    SAMARA_RETURN_IF_ERROR(annotate(write_frame(blob, chunk, frame, fd),
                                    str_cat("store chunk ", chunk.digest.brief(), " in ", object_path(blob))));
  }
  std::vector<Store::Change> changes;
  if (!known.ok()) {
    changes.push_back({kObjectsTable, blob.key(), encode(ObjectRow{.kind = ObjectRow::Kind::kBlob})});
  }
  const ChunkRow row{.blob = blob,
                     .offset = chunk.blob_offset,
                     .frame_size = static_cast<std::uint32_t>(frame.size()),
                     .stream_size = chunk.stream_size,
                     .last_use = now()};
  changes.push_back({kChunksTable, chunk.digest.key(), encode(row)});
  return store_->write(changes);
}

// What an index says of the place may be a lie, and the frame of another chunk lie there.
absl::Status DiskCache::write_frame(const Digest& blob, const Chunk& chunk, std::span<const std::uint8_t> frame, int fd) {
  const ByteRange place{chunk.blob_offset, chunk.blob_offset + frame.size()};
  marks_.touch(blob, place);
  const absl::Status written = pwrite_all(fd, frame, chunk.blob_offset);
  marks_.touch(blob, place);
  return written;
}

absl::StatusOr<OpenFiles::File> DiskCache::open_blob(const Digest& blob) {
  const std::string path = object_path(blob);
  absl::StatusOr<OpenFiles::File> file = files_.open(blob, path, O_RDWR | O_CREAT);
  if (!absl::IsNotFound(file.status())) return file;
  SAMARA_RETURN_IF_ERROR(make_directories(path.substr(0, path.rfind('/'))));  // the first of its directory
  return files_.open(blob, path, O_RDWR | O_CREAT);
}

absl::StatusOr<std::string> DiskCache::read_frame(const Chunk& chunk) {
  SAMARA_ASSIGN_OR_RETURN(const ChunkRow row, chunk_row(chunk.digest));
  if (row.frame_size != chunk.blob_size) {
    return absl::NotFoundError(str_cat("chunk ", chunk.digest.brief(), " is here as a frame of ", row.frame_size, " bytes"));
  }
  SAMARA_ASSIGN_OR_RETURN(const Frame frame, read_frame(row));
  return std::string(as_text(frame.bytes()));
}

absl::StatusOr<DiskCache::Frame> DiskCache::read_frame(const ChunkRow& row) {
  SAMARA_ASSIGN_OR_RETURN(const OpenFiles::File file, files_.open(row.blob, object_path(row.blob), O_RDWR));
  Frame frame{std::make_unique_for_overwrite<std::uint8_t[]>(row.frame_size), row.frame_size};
  SAMARA_RETURN_IF_ERROR(pread_all(file->get(), {frame.data.get(), frame.size}, row.offset));
  return frame;
}

absl::StatusOr<std::string> DiskCache::read_chunk(const Chunk& chunk) {
  const absl::StatusOr<ChunkRow> row = chunk_row(chunk.digest);
  if (!row.ok()) metrics_.chunk_misses.add();
  if (absl::IsDataLoss(row.status())) {
    SAMARA_RETURN_IF_ERROR(store_->write({{kChunksTable, chunk.digest.key(), std::nullopt}}));
  }
  SAMARA_RETURN_IF_ERROR(row.status());
  if (row->stream_size != chunk.stream_size) {  // the caller's index lies: the row's bytes had this digest
    return absl::DataLossError(str_cat("chunk ", chunk.digest.brief(), " has ", row->stream_size,
                                       " bytes; the index says ", chunk.stream_size));
  }
  absl::StatusOr<std::string> bytes = read_at(chunk, *row, Trust::kMark);
  if (!bytes.ok()) bytes = read_again(chunk);
  if (bytes.ok()) uses_.note_chunk(chunk.digest, row->last_use, now());
  (bytes.ok() ? metrics_.chunk_hits : metrics_.chunk_misses).add();
  return bytes;
}

absl::StatusOr<std::string> DiskCache::read_at(const Chunk& chunk, const ChunkRow& row, Trust trust) {
  const ByteRange place{row.offset, row.offset + row.frame_size};
  const VerifiedChunks::Stamp stamp = marks_.stamp(row.blob, place);
  SAMARA_ASSIGN_OR_RETURN(const Frame frame, read_frame(row));
  const bool can_change = is_written_elsewhere(row.blob);  // by others than us, who touch nothing
  if (trust == Trust::kMark && !can_change && marks_.contains(chunk.digest, stamp) &&
      marks_.stamp(row.blob, place) == stamp) {
    return unpack_frame(chunk.stream_size, frame.bytes());
  }
  Chunk stored = chunk;  // another blob's frame of the same bytes may have another size
  stored.blob_size = row.frame_size;
  SAMARA_ASSIGN_OR_RETURN(std::string bytes, open_frame(stored, frame.bytes()));
  if (!can_change) marks_.mark(chunk.digest, stamp);
  return bytes;
}

// The chunk may have been evicted, or moved, between its row and its bytes. Under the lock both stand still.
absl::StatusOr<std::string> DiskCache::read_again(const Chunk& chunk) {
  SAMARA_ASSIGN_OR_RETURN(const ChunkRow before, chunk_row(chunk.digest));
  const auto lock = locks_.exclusive(before.blob);
  SAMARA_ASSIGN_OR_RETURN(const ChunkRow row, chunk_row(chunk.digest));
  absl::StatusOr<std::string> bytes = read_at(chunk, row, Trust::kDigest);
  if (row.blob != before.blob || bytes.ok()) return bytes;
  const bool gone = absl::IsNotFound(bytes.status()) || absl::IsOutOfRange(bytes.status());
  if (!gone && !absl::IsDataLoss(bytes.status())) return bytes;
  log::warning(gone ? "dropped a chunk whose file is gone or cut" : "dropped a chunk that was altered on disk",
               {{"chunk", chunk.digest.brief()}, {"blob", row.blob.brief()}});
  SAMARA_RETURN_IF_ERROR(drop_chunk(chunk.digest, row.blob));
  if (!gone) return bytes;
  return absl::NotFoundError(str_cat("chunk ", chunk.digest.brief(), ": ", to_std(bytes.status().message())));
}

absl::Status DiskCache::drop_chunk(const Digest& chunk, const Digest& blob) {
  const std::lock_guard rows(rows_);
  std::vector<Store::Change> changes = {{kChunksTable, chunk.key(), std::nullopt}};
  const absl::StatusOr<ObjectRow> row = object_row(blob);
  if (row.ok() && row->complete) {
    changes.push_back({kObjectsTable, blob.key(), encode(ObjectRow{.kind = ObjectRow::Kind::kBlob})});
  }
  return store_->write(changes);
}

absl::StatusOr<Cache::Presence> DiskCache::presence(const IndexReader& index) const {
  SAMARA_ASSIGN_OR_RETURN(const Frames frames, frames_of(index));
  SAMARA_ASSIGN_OR_RETURN(const auto rows, store_->multi_get(kChunksTable, frames.keys));
  Presence presence;
  presence.chunks_total = index.info().chunk_count;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    presence.bytes_total += frames.sizes[i];
    if (!rows[i].has_value()) continue;
    presence.bytes += frames.sizes[i];
    presence.chunks += frames.uses[i];
  }
  return presence;
}

}  // namespace samara::cache_index
