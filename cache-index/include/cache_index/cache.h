#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/byte_range.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "cache_index/chunk.h"
#include "cache_index/index_reader.h"
#include "cache_index/store.h"

namespace samara::cache_index {

/// What a layer was converted to.
struct LayerRecord {
  Digest layer;  ///< of the compressed bytes that the manifest names
  Digest index;
  Digest blob;
  std::uint64_t index_size = 0;
  std::uint64_t blob_size = 0;
  std::uint64_t layer_size = 0;  ///< compressed bytes; 0 when not known
};

/// A complete immutable object, open for reading.
struct ObjectFile {
  Fd fd;
  std::uint64_t size = 0;
};

/// Bytes that become an object once all of them are there and their digest is right.
/// Threads: one writer; any number may pread the file at path() meanwhile.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;  ///< drops what was not committed
  virtual absl::Status append(std::span<const std::uint8_t> bytes) = 0;
  virtual std::uint64_t size() const = 0;
  virtual int fd() const = 0;  ///< readable too
  /// Publishes under the digest given at creation. DataLoss when the bytes hash to something else: they are dropped.
  virtual absl::Status commit() = 0;
};

/// What this machine has: whole objects (manifests, original layers, indexes) and blobs of which some or all chunks
/// are present. Rows in RocksDB say what is there; the bytes lie in files, once, sparse while incomplete:
///
///   <root>/db/                     rows (docs/cache.md)
///   <root>/objects/sha256/ab/…     one file an object or blob, named by digest
///   <root>/incoming/               what is being written; emptied at open
///
/// A row is written after its bytes, so that kill -9 at any instant leaves no row that lies; open() also drops rows of
/// files that somebody removed or cut meanwhile. A chunk is verified by digest each time it is read; one that fails is
/// dropped and reported as DataLoss, and fetching it again mends it.
/// Threads: any.
class Cache {
 public:
  struct Options {
    std::string root;
  };
  /// `extra_tables`: tables of other components that share the database (store()).
  /// Errors: FailedPrecondition (written by a newer version), Unavailable (another process has it), disk errors.
  static absl::StatusOr<std::unique_ptr<Cache>> open(const Options& options, std::vector<std::string> extra_tables = {});
  virtual ~Cache() = default;

  virtual Store& store() = 0;

  // Whole objects.
  virtual bool has_object(const Digest& digest) const = 0;
  /// NotFound unless complete. Hashes an object that isn't a blob on its first use after open: DataLoss when it was
  /// altered (now dropped).
  virtual absl::StatusOr<ObjectFile> open_object(const Digest& digest) const = 0;
  virtual std::string object_path(const Digest& digest) const = 0;
  virtual absl::StatusOr<std::unique_ptr<ObjectWriter>> create_object(const Digest& digest) = 0;
  /// create_object + append + commit.
  virtual absl::Status put_object(const Digest& digest, std::span<const std::uint8_t> bytes) = 0;
  /// Also forgets the chunks that lie in it. OK when there is none.
  virtual absl::Status remove_object(const Digest& digest) = 0;

  // Converted layers.
  /// A directory under incoming/ for LayerWriter; publish_layer() takes blob and index out of it.
  virtual absl::StatusOr<std::string> create_incoming_directory() = 0;
  /// Moves `<directory>/blob` and `<directory>/index` into place and writes all rows in one batch.
  virtual absl::Status publish_layer(const std::string& directory, const LayerRecord& record) = 0;
  virtual absl::StatusOr<LayerRecord> layer(const Digest& layer) const = 0;
  virtual absl::Status put_layer(const LayerRecord& record) = 0;
  virtual absl::StatusOr<std::vector<LayerRecord>> layers() const = 0;

  // Chunks. `blob` says in which blob's file a frame goes; any blob's copy answers a read.
  virtual bool has_chunk(const Digest& chunk) const = 0;
  /// Stores a frame that open_frame() has accepted; nothing to do for a chunk that is here already. `blob` comes from
  /// an index that may lie: FailedPrecondition when it names a whole object that has other bytes there.
  virtual absl::Status put_frame(const Digest& blob, const Chunk& chunk, std::span<const std::uint8_t> frame) = 0;
  /// The chunk's uncompressed, verified bytes. NotFound; DataLoss when what was there was altered (now dropped).
  virtual absl::StatusOr<std::string> read_chunk(const Chunk& chunk) = 0;
  /// How much of a layer is present, counted over its index: chunks that any local blob holds count.
  struct Presence {
    std::uint32_t chunks = 0, chunks_total = 0;  ///< positions of the chunk table
    std::uint64_t bytes = 0, bytes_total = 0;    ///< frame bytes; a frame that serves several positions counts once
  };
  virtual absl::StatusOr<Presence> presence(const IndexReader& index) const = 0;

  // Blobs whose bytes arrive in any order, put into the blob's file by whoever fetches them (the swarm).
  /// The blob's file, to read and write; made, with its row, when there is none. What is written there counts for
  /// nothing until adopt_frame() or complete_partial(). AlreadyExists when all of the blob is here.
  virtual absl::StatusOr<Fd> open_partial(const Digest& blob) = 0;
  /// Takes a frame that lies in its place in the blob's file: verifies it and writes the chunk's row, copying nothing.
  /// OK at once for a chunk that is here already. DataLoss, NotFound or OutOfRange when it doesn't lie there.
  virtual absl::Status adopt_frame(const Digest& blob, const Chunk& chunk) = 0;
  /// Copies a chunk's frame from the blob that has it to its place in this blob's file; nothing to do when it lies
  /// there. Not verified: the caller checks the piece. NotFound; FailedPrecondition (here as a frame of another size).
  virtual absl::Status fill_in(const Digest& blob, const Chunk& chunk) = 0;
  /// Publishes the blob once all its bytes are in its file; DataLoss when they hash to something else.
  virtual absl::Status complete_partial(const Digest& blob, std::uint64_t size) = 0;

  struct Usage {
    std::uint64_t objects = 0;
    std::uint64_t disk_bytes = 0;  ///< blocks really used
  };
  virtual absl::StatusOr<Usage> usage() const = 0;
};

}  // namespace samara::cache_index
