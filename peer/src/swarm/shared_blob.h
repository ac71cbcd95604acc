#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "blob_file.h"
#include "cache_index/cache.h"
#include "peer/chunk_reader.h"

namespace samara::peer {

/// Which pieces of a blob are here, and which chunks of the cache that makes.
/// Threads: one at a time.
class SharedBlob {
 public:
  /// Opens the blob's file in the cache and finds out which pieces are here: `remembered` ones (a bit a piece, as
  /// have_bits() gives it) that have no holes, and those that chunks of the cache cover.
  static absl::StatusOr<SharedBlob> open(cache_index::Cache& cache, const Digest& blob, const BlobPieces& pieces,
                                         const LayerIndex& index, std::string_view remembered);

  const std::shared_ptr<BlobFile>& file() const { return file_; }
  bool has(std::uint32_t piece) const { return have_[piece]; }
  std::uint32_t count() const { return count_; }
  std::uint32_t total() const { return static_cast<std::uint32_t>(have_.size()); }
  bool is_complete() const { return count_ == total(); }
  bool was_complete() const { return was_complete_; }  ///< when it was opened
  std::string have_bits() const;

  /// A piece that isn't counted yet, and the chunks that hold it.
  struct Covered {
    std::uint32_t piece;
    std::vector<cache_index::Chunk> chunks;
  };
  /// Those of which every chunk is in the cache by now; reads no content.
  std::vector<Covered> newly_covered(const cache_index::Cache& cache) const;

  /// A piece came, verified. Returns the chunks that are here whole because of it.
  std::vector<cache_index::Chunk> add(std::uint32_t piece);

 private:
  SharedBlob(std::shared_ptr<BlobFile> file, bool was_complete);
  void read_chunks(const cache_index::IndexReader& index);
  /// Counts the pieces that chunks in the cache cover, after filling them in.
  void take_covered(cache_index::Cache& cache);
  std::optional<Covered> covered(const cache_index::Cache& cache, std::uint32_t piece) const;
  /// The first chunk that ends behind `offset`.
  std::size_t first_chunk_after(std::uint64_t offset) const;
  void set(std::uint32_t piece);

  std::shared_ptr<BlobFile> file_;
  bool was_complete_ = false;
  std::vector<bool> have_;
  std::uint32_t count_ = 0;
  std::vector<cache_index::Chunk> chunks_;  // distinct frames, by blob_offset, none overlapping; none once complete
};

/// Puts a covered piece's chunks in their places in the blob's file; is the piece's hash right then?
bool fill_in(cache_index::Cache& cache, BlobFile& file, const SharedBlob::Covered& covered);

}  // namespace samara::peer
