#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "cache_index/cache.h"
#include "cache_rows.h"
#include "open_files.h"

namespace samara::cache_index {

/// DataLoss unless the first `size` bytes of the file hash to `digest`.
absl::Status check_file(const Digest& digest, int fd, std::uint64_t size);

/// The Cache: rows in a Store, bytes in files under one root.
///
/// Order of every change: bytes, then rename (of what is published whole), then the row; backwards for removal.
/// Threads: any. `mutex_` guards only `verified_`, never I/O; two threads that store the same thing write the same
/// bytes to the same place.
class DiskCache final : public Cache {
 public:
  DiskCache(std::string root, std::unique_ptr<Store> store);

  Store& store() override { return *store_; }

  bool has_object(const Digest& digest) const override;
  absl::StatusOr<ObjectFile> open_object(const Digest& digest) const override;
  std::string object_path(const Digest& digest) const override;
  absl::StatusOr<std::unique_ptr<ObjectWriter>> create_object(const Digest& digest) override;
  absl::Status put_object(const Digest& digest, std::span<const std::uint8_t> bytes) override;
  absl::Status remove_object(const Digest& digest) override;

  absl::StatusOr<std::string> create_incoming_directory() override;
  absl::Status publish_layer(const std::string& directory, const LayerRecord& record) override;
  absl::StatusOr<LayerRecord> layer(const Digest& layer) const override;
  absl::Status put_layer(const LayerRecord& record) override;
  absl::StatusOr<std::vector<LayerRecord>> layers() const override;

  bool has_chunk(const Digest& chunk) const override;
  absl::Status put_frame(const Digest& blob, const Chunk& chunk, std::span<const std::uint8_t> frame) override;
  absl::StatusOr<std::string> read_chunk(const Chunk& chunk) override;
  absl::StatusOr<Presence> presence(const IndexReader& index) const override;
  absl::StatusOr<Usage> usage() const override;

  // disk_cache_partial.cc
  absl::StatusOr<Fd> open_partial(const Digest& blob) override;
  absl::Status adopt_frame(const Digest& blob, const Chunk& chunk) override;
  absl::Status fill_in(const Digest& blob, const Chunk& chunk) override;
  absl::Status complete_partial(const Digest& blob, std::uint64_t size) override;

  /// For ObjectFileWriter: puts a file with the right digest in its place and writes its row.
  absl::Status publish_object(const Digest& digest, const std::string& incoming, std::uint64_t size);

  /// For open(): drops rows whose file is gone or cut, and files that no row names.
  absl::Status reconcile();

 private:
  absl::StatusOr<ObjectRow> object_row(const Digest& digest) const;
  absl::StatusOr<ChunkRow> chunk_row(const Digest& chunk) const;
  /// Hashes a whole object on its first use since open.
  absl::Status verify_once(const Digest& digest, const ObjectFile& file) const;
  absl::Status move_into_place(const Digest& digest, const std::string& from);
  absl::StatusOr<OpenFiles::File> open_blob(const Digest& blob);
  absl::StatusOr<std::string> read_frame(const ChunkRow& row);
  /// After what it points to turned out missing or wrong: the row goes, and the blob counts as incomplete.
  absl::Status drop_chunk(const Digest& chunk, const Digest& blob);
  absl::Status drop_chunks_of(const std::unordered_set<Digest>& blobs);
  absl::Status remove_unknown_files();
  std::string incoming_path(std::string_view kind);

  const std::string root_;
  const std::unique_ptr<Store> store_;
  OpenFiles files_;
  std::atomic<std::uint64_t> next_incoming_{0};
  mutable std::mutex mutex_;
  mutable std::unordered_set<Digest> verified_;  // whole objects whose bytes were hashed since open
};

}  // namespace samara::cache_index
