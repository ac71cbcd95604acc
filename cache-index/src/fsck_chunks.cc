#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/status.h"
#include "base/text.h"
#include "cache_index/frame.h"
#include "cache_paths.h"
#include "fsck_run.h"

/// Chunks: each is read and hashed, some hundred at a time in the order in which they lie in their files.
namespace samara::cache_index {
namespace {

constexpr std::size_t kBatch = 4096;
constexpr std::uint64_t kBlock = 4096;  // what a hole gives back at least

absl::Status check_frame(int fd, const std::string& key, const ChunkRow& row) {
  Chunk chunk;
  SAMARA_ASSIGN_OR_RETURN(chunk.digest, Digest::from_key(key));
  chunk.stream_size = row.stream_size;
  chunk.blob_size = row.frame_size;
  std::vector<std::uint8_t> frame(row.frame_size);
  SAMARA_RETURN_IF_ERROR(pread_all(fd, frame, row.offset));
  return open_frame(chunk, frame).status();
}

/// Bytes in [begin, end) of the file that aren't zero, by blocks. Zeros are what eviction leaves of a block that two
/// chunks shared.
absl::StatusOr<std::uint64_t> data_within(int fd, std::uint64_t begin, std::uint64_t end) {
  std::uint64_t bytes = 0;
  std::vector<std::uint8_t> block(kBlock);
  while (begin < end) {
    const off_t data = ::lseek(fd, static_cast<off_t>(begin), SEEK_DATA);
    if (data < 0 || static_cast<std::uint64_t>(data) >= end) break;
    begin = std::max(begin, static_cast<std::uint64_t>(data));
    const std::span<std::uint8_t> part(block.data(), std::min(kBlock, end - begin));
    SAMARA_RETURN_IF_ERROR(pread_all(fd, part, begin));
    if (std::any_of(part.begin(), part.end(), [](std::uint8_t byte) { return byte != 0; })) bytes += part.size();
    begin += part.size();
  }
  return bytes;
}

}  // namespace

absl::Status FsckRun::check_chunks() {
  std::vector<ChunkCheck> batch;
  absl::Status status;
  std::vector<std::string> damaged;
  std::uint64_t total = 0;
  SAMARA_RETURN_IF_ERROR(store_.scan(kChunksTable, "", [&](std::string_view, std::string_view value) {
    const absl::StatusOr<ChunkRow> row = decode_chunk_row(value);
    total += row.ok() ? row->frame_size : 0;
    return true;
  }));
  SAMARA_RETURN_IF_ERROR(store_.scan(kChunksTable, "", [&](std::string_view key, std::string_view value) {
    absl::StatusOr<ChunkRow> row = decode_chunk_row(value);
    if (!row.ok()) {
      damaged.emplace_back(key);
      return true;
    }
    batch.push_back({std::string(key), *std::move(row), absl::OkStatus()});
    if (batch.size() >= kBatch) {
      status = check_batch(batch);
      told("chunks", frame_bytes_, total);
    }
    return status.ok();
  }));
  SAMARA_RETURN_IF_ERROR(status);
  SAMARA_RETURN_IF_ERROR(check_batch(batch));
  for (const std::string& key : damaged) {
    note(Kind::kDamagedRow, "chunk");
    SAMARA_RETURN_IF_ERROR(remove_row(kChunksTable, key));
  }
  told("chunks", frame_bytes_, total);
  return absl::OkStatus();
}

absl::Status FsckRun::check_batch(std::vector<ChunkCheck>& batch) {
  std::sort(batch.begin(), batch.end(), [](const ChunkCheck& a, const ChunkCheck& b) {
    return std::tie(a.row.blob, a.row.offset) < std::tie(b.row.blob, b.row.offset);
  });
  std::mutex mutex;
  std::condition_variable done;
  std::size_t running = 0;
  const std::size_t share = std::max<std::size_t>(1, (batch.size() + pool_.size() - 1) / pool_.size());
  for (std::size_t begin = 0; begin < batch.size(); begin += share) {
    const std::span<ChunkCheck> part(batch.data() + begin, std::min(share, batch.size() - begin));
    {
      const std::lock_guard lock(mutex);
      ++running;
    }
    pool_.run([this, part, &mutex, &done, &running] {
      Fd fd;
      Digest open;
      for (ChunkCheck& chunk : part) {
        if (!fd.valid() || chunk.row.blob != open) {
          absl::StatusOr<Fd> opened = open_file(path_of(chunk.row.blob), O_RDONLY);
          fd = opened.ok() ? *std::move(opened) : Fd();
          open = chunk.row.blob;
        }
        chunk.status = fd.valid() ? check_frame(fd.get(), chunk.key, chunk.row) : absl::NotFoundError("no file");
      }
      const std::lock_guard lock(mutex);
      --running;
      done.notify_one();
    });
  }
  {
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return running == 0; });
  }
  for (const ChunkCheck& chunk : batch) SAMARA_RETURN_IF_ERROR(settle_chunk(chunk));
  batch.clear();
  return absl::OkStatus();
}

absl::Status FsckRun::settle_chunk(const ChunkCheck& chunk) {
  ++report.chunks;
  frame_bytes_ += chunk.row.frame_size;
  report.bytes += chunk.row.frame_size;
  const auto file = files_.find(chunk.row.blob);
  const absl::StatusOr<Digest> digest = Digest::from_key(chunk.key);
  const std::string what = str_cat("chunk ", digest.ok() ? digest->to_string() : "with a damaged key", " in ",
                                   chunk.row.blob.to_string(), " at ", chunk.row.offset);
  if (file != files_.end() && chunk.status.ok()) {
    if (!file->second.row.complete) file->second.frames.emplace_back(chunk.row.offset, chunk.row.frame_size);
    return absl::OkStatus();
  }
  const bool altered = file != files_.end() && absl::IsDataLoss(chunk.status);
  note(altered ? Kind::kAlteredChunk : Kind::kRowWithoutBytes, what, chunk.row.frame_size);
  return remove_row(kChunksTable, chunk.key);
}

absl::Status FsckRun::check_gaps(const Digest& blob, File& file) {
  SAMARA_ASSIGN_OR_RETURN(const Fd fd, open_file(path_of(blob), options_.mend ? O_RDWR : O_RDONLY));
  std::sort(file.frames.begin(), file.frames.end());
  file.frames.emplace_back(file.size, 0);
  std::uint64_t end = 0;
  for (const auto& [offset, size] : file.frames) {
    const std::uint64_t begin = (end + kBlock - 1) / kBlock * kBlock;
    const std::uint64_t until = offset == file.size ? offset : offset / kBlock * kBlock;
    if (begin < until) {
      SAMARA_ASSIGN_OR_RETURN(const std::uint64_t data, data_within(fd.get(), begin, until));
      report.unclaimed_bytes += data;
      if (options_.mend) SAMARA_RETURN_IF_ERROR(punch_hole(fd.get(), {begin, until}));
    }
    end = std::max(end, offset + size);
  }
  return absl::OkStatus();
}

}  // namespace samara::cache_index
