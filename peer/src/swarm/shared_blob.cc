#include "shared_blob.h"

#include <algorithm>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::peer {

using cache_index::Chunk;

SharedBlob::SharedBlob(std::shared_ptr<BlobFile> file, bool was_complete)
    : file_(std::move(file)), was_complete_(was_complete), have_(file_->pieces().count(), was_complete) {
  if (was_complete) count_ = total();
}

absl::StatusOr<SharedBlob> SharedBlob::open(cache_index::Cache& cache, const Digest& blob, const BlobPieces& pieces,
                                            const LayerIndex& index, std::string_view remembered) {
  absl::StatusOr<cache_index::ObjectFile> whole = cache.open_object(blob);
  if (whole.ok()) {
    if (whole->size != pieces.size) {
      return absl::InvalidArgumentError(str_cat(blob.to_string(), " has ", whole->size, " bytes, not ", pieces.size));
    }
    return SharedBlob(std::make_shared<BlobFile>(blob, pieces, std::move(whole->fd), BlobFile::Access::kReadOnly), true);
  }
  SAMARA_ASSIGN_OR_RETURN(Fd file, cache.open_partial(blob));
  SharedBlob shared(std::make_shared<BlobFile>(blob, pieces, std::move(file), BlobFile::Access::kReadWrite), false);
  if (remembered.size() == (shared.total() + 7) / 8) {
    for (std::uint32_t i = 0; i < shared.total(); ++i) {
      if ((remembered[i / 8] >> (i % 8) & 1) != 0 && shared.file_->is_present(i)) shared.set(i);
    }
  }
  if (index != nullptr) {
    if (index->info().blob != blob || index->info().blob_size != pieces.size) {
      return absl::InvalidArgumentError(str_cat("the index of another blob than ", blob.to_string()));
    }
    shared.read_chunks(*index);
    shared.take_covered(cache);
  }
  return shared;
}

void SharedBlob::set(std::uint32_t piece) {
  if (have_[piece]) return;
  have_[piece] = true;
  ++count_;
}

std::string SharedBlob::have_bits() const {
  std::string bits((total() + 7) / 8, '\0');
  for (std::uint32_t i = 0; i < total(); ++i) {
    if (have_[i]) bits[i / 8] = static_cast<char>(bits[i / 8] | 1 << (i % 8));
  }
  return bits;
}

// An index may claim anything; frames that overlap or lie outside are left out, and are fetched in other ways.
void SharedBlob::read_chunks(const cache_index::IndexReader& index) {
  for (std::uint32_t i = 0; i < index.info().chunk_count; ++i) {
    const absl::StatusOr<Chunk> chunk = index.chunk(i);
    if (chunk.ok() && chunk->blob_size > 0 && chunk->blob_offset < file_->pieces().size &&
        chunk->blob_size <= file_->pieces().size - chunk->blob_offset) {
      chunks_.push_back(*chunk);
    }
  }
  const auto by_offset = [](const Chunk& a, const Chunk& b) { return a.blob_offset < b.blob_offset; };
  std::stable_sort(chunks_.begin(), chunks_.end(), by_offset);
  std::uint64_t end = 0;
  std::erase_if(chunks_, [&](const Chunk& chunk) {
    if (chunk.blob_offset < end) return true;
    end = chunk.blob_range().end;
    return false;
  });
}

std::size_t SharedBlob::first_chunk_after(std::uint64_t offset) const {
  const auto it = std::partition_point(chunks_.begin(), chunks_.end(),
                                       [&](const Chunk& chunk) { return chunk.blob_range().end <= offset; });
  return static_cast<std::size_t>(it - chunks_.begin());
}

std::optional<SharedBlob::Covered> SharedBlob::covered(const cache_index::Cache& cache, std::uint32_t piece) const {
  Covered found{.piece = piece, .chunks = {}};
  std::uint64_t end = file_->pieces().offset(piece);
  const std::uint64_t piece_end = end + file_->pieces().length(piece);
  for (std::size_t i = first_chunk_after(end); i < chunks_.size() && end < piece_end; ++i) {
    if (chunks_[i].blob_offset > end || !cache.has_chunk(chunks_[i].digest)) return std::nullopt;
    end = chunks_[i].blob_range().end;
    found.chunks.push_back(chunks_[i]);
  }
  return end < piece_end ? std::nullopt : std::optional(std::move(found));
}

std::vector<SharedBlob::Covered> SharedBlob::newly_covered(const cache_index::Cache& cache) const {
  std::vector<Covered> all;
  for (std::uint32_t i = 0; i < total(); ++i) {
    if (have_[i]) continue;
    if (std::optional<Covered> one = covered(cache, i)) all.push_back(*std::move(one));
  }
  return all;
}

bool fill_in(cache_index::Cache& cache, BlobFile& file, const SharedBlob::Covered& covered) {
  for (const Chunk& chunk : covered.chunks) {
    if (!cache.fill_in(file.blob(), chunk).ok()) return false;
  }
  return file.verify(covered.piece);
}

void SharedBlob::take_covered(cache_index::Cache& cache) {
  for (const Covered& one : newly_covered(cache)) {
    if (fill_in(cache, *file_, one)) set(one.piece);
  }
}

std::vector<Chunk> SharedBlob::add(std::uint32_t piece) {
  std::vector<Chunk> whole;
  if (piece >= total() || have_[piece]) return whole;
  set(piece);
  const BlobPieces& pieces = file_->pieces();
  const std::uint64_t end = pieces.offset(piece) + pieces.length(piece);
  for (std::size_t i = first_chunk_after(pieces.offset(piece)); i < chunks_.size() && chunks_[i].blob_offset < end; ++i) {
    const auto first = static_cast<std::uint32_t>(chunks_[i].blob_offset / pieces.piece_size());
    const auto last = static_cast<std::uint32_t>((chunks_[i].blob_range().end - 1) / pieces.piece_size());
    bool here = true;
    for (std::uint32_t p = first; p <= last; ++p) here = here && have_[p];
    if (here) whole.push_back(chunks_[i]);
  }
  if (is_complete()) {
    chunks_.clear();
    chunks_.shrink_to_fit();
  }
  return whole;
}

}  // namespace samara::peer
