#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "cache_index/cache.h"
#include "cache_metrics.h"
#include "cache_rows.h"
#include "evictor.h"
#include "file_locks.h"
#include "last_uses.h"
#include "open_files.h"
#include "protection.h"
#include "space.h"
#include "verified_chunks.h"

namespace samara::cache_index {

/// DataLoss unless the first `size` bytes of the file hash to `digest`.
absl::Status check_file(const Digest& digest, int fd, std::uint64_t size);
/// Whether files below `directory` can give back ranges in their middle.
bool can_punch_holes_in(const std::string& directory);

/// The Cache: rows in a Store, bytes in files under one root.
///
/// Order of every change: bytes, then rename (of what is published whole), then the row; backwards for removal.
/// Threads: any. Two threads that store the same thing write the same bytes to the same place. Locks, in the order in
/// which they are taken: `passes_` (one eviction at a time), `locks_` (bytes and rows of a file agree), `rows_` (rows
/// are read, changed and written back), `mutex_` (what is only in memory; never across I/O).
class DiskCache final : public Cache {
 public:
  DiskCache(const Options& options, std::unique_ptr<Store> store);
  ~DiskCache() override;

  Store& store() override { return *store_; }

  bool has_object(const Digest& digest) const override;
  absl::StatusOr<ObjectFile> open_object(const Digest& digest) const override;
  std::string object_path(const Digest& digest) const override;
  absl::StatusOr<std::unique_ptr<ObjectWriter>> create_object(const Digest& digest) override;
  absl::Status put_object(const Digest& digest, std::span<const std::uint8_t> bytes) override;
  absl::Status remove_object(const Digest& digest) override;

  absl::StatusOr<std::string> create_incoming_directory() override;
  absl::Status publish_layer(const std::string& directory, const LayerRecord& record) override;
  absl::Status adopt_layer(const LayerRecord& record) override;
  absl::StatusOr<LayerRecord> layer(const Digest& layer) const override;
  absl::StatusOr<LayerRecord> converted_layer(const Digest& layer) const override;
  absl::Status put_layer(const LayerRecord& record) override;
  absl::StatusOr<std::vector<LayerRecord>> layers() const override;

  bool has_chunk(const Digest& chunk) const override;
  absl::Status put_frame(const Digest& blob, const Chunk& chunk, std::span<const std::uint8_t> frame) override;
  absl::StatusOr<std::string> read_chunk(const Chunk& chunk) override;
  absl::StatusOr<std::string> read_frame(const Chunk& chunk) override;
  absl::StatusOr<Presence> presence(const IndexReader& index) const override;
  absl::StatusOr<Usage> usage() const override;

  // disk_cache_partial.cc
  absl::StatusOr<Fd> open_partial(const Digest& blob) override;
  absl::Status adopt_frame(const Digest& blob, const Chunk& chunk) override;
  absl::Status fill_in(const Digest& blob, const Chunk& chunk) override;
  absl::Status complete_partial(const Digest& blob, std::uint64_t size) override;
  absl::Status add_pin(const Pin& pin) override;
  absl::Status remove_pin(const std::string& name) override;
  absl::StatusOr<std::vector<Pin>> pins() const override;
  std::uint64_t pinned_bytes(const Pin& pin) const override;

  void start_eviction(std::function<InUse()> in_use) override;
  void stop_eviction() override;
  absl::StatusOr<std::uint64_t> evict_to(std::uint64_t bytes) override;

  // disk_cache_remove.cc
  absl::StatusOr<std::uint64_t> remove(const Removal& removal, Doing doing) override;
  std::optional<ObjectUse> object_use(const Digest& digest) const override;
  absl::StatusOr<std::vector<std::optional<std::uint64_t>>> chunk_uses(const std::vector<Digest>& chunks) const override;

  /// For ObjectFileWriter: puts a file with the right digest in its place and writes its row.
  absl::Status publish_object(const Digest& digest, const std::string& incoming, std::uint64_t size);
  /// For whoever is about to write so many bytes. ResourceExhausted when they don't fit and nothing may go for them.
  absl::Status make_room(std::uint64_t bytes);
  Space& space() { return space_; }

  /// For ObjectFileWriter, which holds the partial file of an object alone.
  void release_partial(const Digest& digest);
  /// For open(): keeps recent parts of objects below incoming/ and removes all else there.
  absl::Status tidy_incoming();

  /// For open(): drops rows whose file is gone or cut, and files that no row names; measures the others.
  absl::Status reconcile();

  // For EvictionPass. Each leaves alone what was used or changed since the pass looked at it.
  struct StoredChunk {
    std::string key;
    ChunkRow row;
  };
  /// A complete object that no chunk lies in any more.
  absl::Status evict_object(const Digest& digest, std::uint64_t last_use);
  /// Chunks of one blob that is here in part, sorted by place; returns how many went.
  absl::StatusOr<std::uint64_t> evict_chunks(const Digest& blob, const std::vector<StoredChunk>& chunks);
  /// Whether open_partial() gave out the blob's file: others may write into it at any time, and give out what is in it.
  bool is_written_elsewhere(const Digest& blob) const;
  /// From now on nothing new is stored in this blob's file, until it is removed or spared. False: it was used meanwhile.
  bool begin_leaving(const Digest& blob, std::uint64_t last_use);
  void end_leaving(const Digest& blob);
  /// Forgets chunks that lie in a blob that is leaving.
  absl::Status forget_chunks(const Digest& blob, const std::vector<StoredChunk>& chunks);
  /// Removes the file of a partial blob in which no chunk is left.
  absl::Status remove_empty_blob(const Digest& blob);
  /// Blobs into which frames were written since the last call.
  std::unordered_set<Digest> take_written();
  bool can_punch_holes() const { return can_punch_holes_; }

 private:
  /// A frame's bytes, as they lie in a file.
  struct Frame {
    std::unique_ptr<std::uint8_t[]> data;  // not cleared first, which would show
    std::size_t size = 0;
    std::span<const std::uint8_t> bytes() const { return {data.get(), size}; }
  };

  absl::StatusOr<ObjectRow> object_row(const Digest& digest) const;
  absl::StatusOr<ChunkRow> chunk_row(const Digest& chunk) const;
  /// Hashes a whole object on its first use since open.
  absl::Status verify_once(const Digest& digest, const ObjectFile& file) const;
  absl::Status write_layer_rows(const IndexReader& index, const LayerRecord& record);
  absl::Status move_into_place(const Digest& digest, const std::string& from);
  absl::StatusOr<OpenFiles::File> open_blob(const Digest& blob);
  absl::StatusOr<Frame> read_frame(const ChunkRow& row);
  enum class Trust { kMark, kDigest };
  absl::StatusOr<std::string> read_at(const Chunk& chunk, const ChunkRow& row, Trust trust);
  absl::StatusOr<std::string> read_again(const Chunk& chunk);
  absl::Status write_frame(const Digest& blob, const Chunk& chunk, std::span<const std::uint8_t> frame, int fd);
  absl::Status store_frame(const Digest& blob, const Chunk& chunk, std::span<const std::uint8_t> frame, int fd);
  /// After what it points to turned out missing or wrong: the row goes, and the blob counts as incomplete.
  absl::Status drop_chunk(const Digest& chunk, const Digest& blob);
  absl::Status drop_chunks_of(const std::unordered_set<Digest>& blobs);
  /// Of an object whose bytes aren't those of its name any more.
  absl::Status drop_altered(const Digest& digest) const;
  absl::Status forget_object(const Digest& digest) const;
  absl::Status unlink_object(const Digest& digest) const;
  absl::Status remove_unknown_files();
  bool is_leaving(const Digest& blob) const;
  void measure_partials();
  absl::Status flush_uses();
  /// Removes parts of objects that nobody writes, oldest first, until at most so many bytes are used.
  void drop_partials(std::uint64_t bytes);
  std::string partial_path(const Digest& digest) const;
  absl::StatusOr<Protection> protection_now();
  void protect_pinned(const Pin& pin, Protection& protection) const;
  absl::StatusOr<EvictionScope> scope_of(const Removal& removal) const;
  absl::StatusOr<Protection> protection_from(const Removal& removal, Doing doing);
  absl::Status keep_layer(const IndexReader& index, Doing doing, Protection& protection);
  absl::Status claim_chunks(const IndexReader& index);
  absl::Status remove_expired_pins();
  void housekeeping();
  std::uint64_t now() const;
  std::string incoming_path(std::string_view kind);

  const std::string root_;
  const SystemClock system_clock_;
  const Clock& clock_;
  Metrics own_metrics_;  // when the options name none
  mutable CacheMetrics metrics_;
  const std::unique_ptr<Store> store_;
  mutable OpenFiles files_;
  mutable Space space_;
  mutable FileLocks locks_;
  mutable std::mutex rows_;
  mutable LastUses uses_;
  VerifiedChunks marks_;
  const bool can_punch_holes_;
  std::atomic<std::uint64_t> next_incoming_{0};
  std::atomic<std::uint64_t> pinned_bytes_{0};
  std::atomic<std::uint64_t> uses_flushed_{0};  // when, in seconds

  mutable std::mutex mutex_;
  mutable std::unordered_set<Digest> verified_;  // whole objects whose bytes were hashed since open
  std::unordered_set<Digest> leaving_;           // complete blobs that are being evicted
  std::unordered_set<Digest> arriving_;          // objects with a writer that took their partial file
  mutable std::unordered_set<Digest> written_elsewhere_; // blobs that open_partial() gave out
  std::unordered_set<Digest> written_;           // blobs that got frames; see take_written()

  std::mutex passes_;
  std::function<InUse()> in_use_;  // while the evictor runs
  Evictor evictor_;  // last: its thread uses all of the above
};

}  // namespace samara::cache_index
