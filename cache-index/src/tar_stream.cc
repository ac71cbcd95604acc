#include "cache_index/tar_stream.h"

#include <set>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/frame.h"
#include "cache_index/hasher.h"
#include "tar_replayer.h"

namespace samara::cache_index {
namespace {

/// The chunk that holds a stream offset, and its bytes; keeps the last one.
class ChunkCursor {
 public:
  ChunkCursor(const IndexReader& index, const ChunkSource& chunks) : index_(index), chunks_(chunks) {}

  absl::Status move_to(std::uint64_t stream_offset) {
    SAMARA_ASSIGN_OR_RETURN(const std::uint32_t position, index_.chunk_at(stream_offset));
    SAMARA_ASSIGN_OR_RETURN(Chunk next, index_.chunk(position));
    if (bytes_.empty() || next.digest != chunk_.digest || next.stream_size != chunk_.stream_size) {
      bytes_.clear();
      SAMARA_ASSIGN_OR_RETURN(bytes_, chunks_(next));
      if (bytes_.size() != next.stream_size) return absl::InternalError("chunk source gave bytes of a wrong size");
    }
    chunk_ = std::move(next);
    return absl::OkStatus();
  }

  std::uint64_t offset() const { return chunk_.stream_offset; }
  std::span<const std::uint8_t> bytes() const { return as_bytes(bytes_); }

 private:
  const IndexReader& index_;
  const ChunkSource& chunks_;
  Chunk chunk_;
  std::string bytes_;
};

/// Frames that have been opened: where they lie, and what was found in them.
using OpenedFrames = std::set<std::pair<std::uint64_t, Digest>>;

/// Opens the chunks that the tar holds no byte of (holes), so that verifying leaves none out.
absl::Status open_others(const IndexReader& index, const ChunkSource& chunks, OpenedFrames& opened) {
  for (std::uint32_t i = 0; i < index.info().chunk_count; ++i) {
    SAMARA_ASSIGN_OR_RETURN(const Chunk chunk, index.chunk(i));
    if (!opened.emplace(chunk.blob_offset, chunk.digest).second) continue;
    const absl::StatusOr<std::string> bytes = chunks(chunk);
    if (!bytes.ok()) return bytes.status();
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status replay_tar(const IndexReader& index, const ChunkSource& chunks,
                        const std::function<absl::Status(std::span<const std::uint8_t>)>& sink) {
  TarReplayer replayer({index.info().tar_size, index.info().stream_size}, sink);
  replayer.set_framing(index.framing());
  ChunkCursor cursor(index, chunks);
  while (true) {
    SAMARA_ASSIGN_OR_RETURN(const TarReplayer::Missing missing, replayer.run());
    if (missing == TarReplayer::Missing::kFraming) break;
    SAMARA_RETURN_IF_ERROR(cursor.move_to(replayer.stream_position()));
    replayer.set_stream(cursor.offset(), cursor.bytes());
  }
  SAMARA_RETURN_IF_ERROR(replayer.finish());
  if (replayer.tar_size() != index.info().tar_size) return absl::DataLossError("framing: fewer bytes than the tar has");
  return absl::OkStatus();
}

absl::Status verify_layer(const IndexReader& index, const ChunkSource& chunks) {
  SAMARA_RETURN_IF_ERROR(index.check_content());
  OpenedFrames opened;
  const ChunkSource noting = [&](const Chunk& chunk) {
    opened.emplace(chunk.blob_offset, chunk.digest);
    return chunks(chunk);
  };
  Hasher hasher;
  SAMARA_RETURN_IF_ERROR(replay_tar(index, noting, [&hasher](std::span<const std::uint8_t> bytes) {
    hasher.update(bytes);
    return absl::OkStatus();
  }));
  const Digest tar = hasher.finish();
  if (tar != index.info().diff_id) {
    return absl::DataLossError(
        str_cat("layer: the tar is ", tar.to_string(), ", not its diffID ", index.info().diff_id.to_string()));
  }
  return open_others(index, chunks, opened);
}

ChunkSource blob_file_source(int blob_fd) {
  return [blob_fd](const Chunk& chunk) -> absl::StatusOr<std::string> {
    if (chunk.blob_size > kMaxFrameBytes) return absl::DataLossError("frame of an impossible size");
    std::string frame(chunk.blob_size, '\0');
    const absl::Status read =
        pread_all(blob_fd, {reinterpret_cast<std::uint8_t*>(frame.data()), frame.size()}, chunk.blob_offset);
    if (absl::IsOutOfRange(read)) {
      return absl::DataLossError(str_cat("chunk ", chunk.digest.to_string(), ": the blob is cut short"));
    }
    SAMARA_RETURN_IF_ERROR(read);
    return open_frame(chunk, as_bytes(frame));
  };
}

}  // namespace samara::cache_index
