#include "cache_index/layer_writer.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "chunk_table.h"
#include "chunker.h"
#include "frame_pipeline.h"
#include "framing.h"
#include "layer_proof.h"

namespace samara::cache_index {
namespace {

// At least every so many bytes of the stream the framing is flushed, so that the proof can follow and holds no more
// than about this much of the stream. Part of the format: it shapes the compressed framing.
constexpr std::uint64_t kFramingFlushBytes = 4u << 20;

// Beyond these a layer isn't worth having lazily, and its chunk table or framing would not stay in memory.
constexpr std::uint64_t kMaxStreamBytes = std::uint64_t{1} << 40;
constexpr std::size_t kMaxFramingBytes = 256u << 20;

/// Chunks being hashed and compressed at a time: enough to keep every worker busy, and a bound on memory (a chunk and
/// its frame are at most 2 MiB).
std::size_t max_chunks_in_flight(const ThreadPool& pool) {
  return std::clamp<std::size_t>(2 * pool.size() + 2, 4, 24);
}

constexpr std::array<std::uint8_t, 64u << 10> kZeros{};

/// The blob file: frames one after another, hashed on the way.
class BlobFile {
 public:
  explicit BlobFile(Fd fd) : fd_(std::move(fd)) {}

  absl::Status append(std::string_view frame) {
    SAMARA_RETURN_IF_ERROR(pwrite_all(fd_.get(), as_bytes(frame), size_));
    hasher_.update(as_bytes(frame));
    size_ += frame.size();
    return absl::OkStatus();
  }
  Digest finish() {
    fd_.reset();
    return hasher_.finish();
  }

 private:
  Fd fd_;
  Hasher hasher_;
  std::uint64_t size_ = 0;
};

class LayerWriterImpl final : public LayerWriter {
 public:
  LayerWriterImpl(std::string directory, Fd blob, ThreadPool& pool, const KnownFrames* known)
      : directory_(std::move(directory)),
        max_in_flight_(max_chunks_in_flight(pool)),
        blob_(std::move(blob)),
        pipeline_(pool, [this](const Digest& digest) { return table_.contains(digest); }, known) {}

  absl::Status framing(std::span<const std::uint8_t> bytes) override {
    SAMARA_RETURN_IF_ERROR(status_);
    framing_.literal(bytes);
    if (framing_.compressed().size() > kMaxFramingBytes) {
      return fail(absl::UnimplementedError("layer: too many tar headers"));
    }
    return fail(framing_.status());
  }

  absl::StatusOr<std::uint64_t> begin_file(std::uint64_t size) override {
    SAMARA_RETURN_IF_ERROR(status_);
    SAMARA_RETURN_IF_ERROR(end_file());
    file_is_big_ = size >= kForcedCutBytes;
    if (file_is_big_) SAMARA_RETURN_IF_ERROR(fail(cut()));
    in_file_ = true;
    return position_;
  }

  absl::Status data(std::span<const std::uint8_t> bytes) override {
    SAMARA_RETURN_IF_ERROR(check_room(bytes.size()));
    while (!bytes.empty()) {
      if (position_ / kFramingFlushBytes > flushed_) {
        flushed_ = position_ / kFramingFlushBytes;
        framing_.flush();
      }
      const std::uint64_t until_flush = (flushed_ + 1) * kFramingFlushBytes - position_;
      const std::size_t size = std::min<std::uint64_t>(bytes.size(), until_flush);
      framing_.copy(size);
      SAMARA_RETURN_IF_ERROR(fail(feed(bytes.first(size))));
      bytes = bytes.subspan(size);
    }
    return absl::OkStatus();
  }

  absl::Status hole(std::uint64_t size) override {
    SAMARA_RETURN_IF_ERROR(check_room(size));
    return fail(zeros(size));
  }

  absl::StatusOr<Written> finish(const LayerTree& tree, const Digest& diff_id, std::uint64_t tar_size) override {
    SAMARA_RETURN_IF_ERROR(status_);
    if (diff_id.algorithm() != Digest::Algorithm::kSha256) {
      return fail(absl::InvalidArgumentError("layer: its diffID is no SHA-256"));
    }
    absl::StatusOr<Written> written = end_layer(tree, diff_id, tar_size);
    // Either way there is nothing to add any more.
    status_ = written.ok() ? absl::FailedPreconditionError("layer is finished") : written.status();
    return written;
  }

 private:
  absl::Status fail(absl::Status status) {
    if (!status.ok()) status_ = status;
    return status;
  }

  absl::Status check_room(std::uint64_t size) {
    SAMARA_RETURN_IF_ERROR(status_);
    if (!in_file_) return fail(absl::FailedPreconditionError("layer: data outside a file"));
    if (size > kMaxStreamBytes - position_) {
      return fail(absl::UnimplementedError("layer: more than 1 TiB of file data"));
    }
    return absl::OkStatus();
  }

  /// Fills up to the alignment; a big file's last chunk ends there.
  absl::Status end_file() {
    if (!in_file_) return absl::OkStatus();
    in_file_ = false;
    const std::uint64_t beyond = position_ % kStreamAlignment;
    if (beyond != 0) SAMARA_RETURN_IF_ERROR(fail(zeros(kStreamAlignment - beyond)));
    return file_is_big_ ? fail(cut()) : absl::OkStatus();
  }

  /// Stream bytes that the tar doesn't hold.
  absl::Status zeros(std::uint64_t size) {
    framing_.skip(size);
    while (size > 0) {
      if (chunker_.size() == 0 && size >= kZeroChunkBytes) {
        const std::uint64_t count = size / kZeroChunkBytes;
        position_ += count * kZeroChunkBytes;
        size -= count * kZeroChunkBytes;
        buffer_.resize(kZeroChunkBytes);
        SAMARA_RETURN_IF_ERROR(submit(count));
      } else {
        const std::uint64_t until_cut = kZeroChunkBytes - chunker_.size();
        const std::uint64_t part = std::min({size, std::uint64_t{kZeros.size()}, until_cut});
        SAMARA_RETURN_IF_ERROR(feed({kZeros.data(), part}));
        size -= part;
      }
    }
    return absl::OkStatus();
  }

  absl::Status feed(std::span<const std::uint8_t> bytes) {
    position_ += bytes.size();
    while (!bytes.empty()) {
      const std::size_t taken = chunker_.advance(bytes);
      buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
      bytes = bytes.subspan(taken);
      if (chunker_.at_cut()) SAMARA_RETURN_IF_ERROR(cut());
    }
    return absl::OkStatus();
  }

  absl::Status cut() {
    chunker_.cut();
    return buffer_.empty() ? absl::OkStatus() : submit(1);
  }

  absl::Status submit(std::uint64_t repeat) {
    while (pipeline_.ready() || pipeline_.waiting() >= max_in_flight_) SAMARA_RETURN_IF_ERROR(store_oldest());
    pipeline_.submit(std::move(buffer_), repeat);
    buffer_ = proof_.spare_buffer();
    if (buffer_.capacity() == 0) buffer_.reserve(kMaxChunkBytes);
    return absl::OkStatus();
  }

  absl::Status store_oldest() {
    SAMARA_ASSIGN_OR_RETURN(FramedChunk chunk, pipeline_.take());
    std::uint64_t again = chunk.repeat;
    if (!table_.contains(chunk.digest)) {
      SAMARA_RETURN_IF_ERROR(blob_.append(chunk.frame));
      table_.add_new(chunk.digest, static_cast<std::uint32_t>(chunk.bytes.size()),
                     static_cast<std::uint32_t>(chunk.frame.size()));
      --again;
    }
    table_.add_again(chunk.digest, again);
    proof_.add(std::move(chunk.bytes), chunk.repeat);
    return proof_.advance(framing_.compressed());
  }

  absl::StatusOr<Written> end_layer(const LayerTree& tree, const Digest& diff_id, std::uint64_t tar_size) {
    SAMARA_RETURN_IF_ERROR(end_file());
    SAMARA_RETURN_IF_ERROR(cut());
    while (pipeline_.waiting() > 0) SAMARA_RETURN_IF_ERROR(store_oldest());
    framing_.finish();
    SAMARA_RETURN_IF_ERROR(framing_.status());
    SAMARA_RETURN_IF_ERROR(prove(diff_id, tar_size));

    LayerInfo info;
    info.diff_id = diff_id;
    info.blob = blob_.finish();
    info.blob_size = table_.blob_size();
    info.stream_size = table_.stream_size();
    info.tar_size = tar_size;
    SAMARA_ASSIGN_OR_RETURN(const std::string index, encode_index(tree, info, table_.chunks(), framing_.compressed()));
    return write_index(index);
  }

  absl::Status prove(const Digest& diff_id, std::uint64_t tar_size) {
    SAMARA_ASSIGN_OR_RETURN(const LayerProof::Result proof, proof_.finish(framing_.compressed()));
    if (proof.tar != diff_id || proof.tar_size != tar_size) {
      return absl::DataLossError(str_cat("layer: its tar is ", proof.tar.to_string(), " of ", proof.tar_size,
                                         " bytes, expected ", diff_id.to_string(), " of ", tar_size));
    }
    return absl::OkStatus();
  }

  /// Reads the index as everybody else will, before anybody does.
  absl::StatusOr<Written> write_index(const std::string& index) {
    SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<IndexReader> reader, IndexReader::view(as_bytes(index)));
    SAMARA_RETURN_IF_ERROR(reader->check_content());
    for (std::uint32_t i = 0; i < reader->info().chunk_count; ++i) {
      if (const auto chunk = reader->chunk(i); !chunk.ok()) return chunk.status();
    }
    SAMARA_ASSIGN_OR_RETURN(const Fd file, open_file(str_cat(directory_, "/index"), O_WRONLY | O_CREAT | O_TRUNC));
    SAMARA_RETURN_IF_ERROR(pwrite_all(file.get(), as_bytes(index), 0));
    return Written{sha256(as_bytes(index)), index.size(), reader->info()};
  }

  const std::string directory_;
  const std::size_t max_in_flight_;
  absl::Status status_;  // the first error; every later call returns it

  // The data stream, as the caller fills it.
  std::uint64_t position_ = 0;
  bool in_file_ = false, file_is_big_ = false;
  Chunker chunker_;
  std::vector<std::uint8_t> buffer_;  // the chunk that has not ended yet
  FramingWriter framing_;
  std::uint64_t flushed_ = 0;  // in units of kFramingFlushBytes

  // What is written.
  BlobFile blob_;
  ChunkTable table_;
  LayerProof proof_;
  FramePipeline pipeline_;  // last: its tasks ask table_
};

}  // namespace

absl::StatusOr<std::unique_ptr<LayerWriter>> LayerWriter::create(std::string directory, ThreadPool& pool,
                                                                 const KnownFrames* known) {
  SAMARA_ASSIGN_OR_RETURN(Fd blob, open_file(str_cat(directory, "/blob"), O_RDWR | O_CREAT | O_TRUNC));
  return std::make_unique<LayerWriterImpl>(std::move(directory), std::move(blob), pool, known);
}

}  // namespace samara::cache_index
