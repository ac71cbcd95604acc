#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/byte_range.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/metrics.h"
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

/// Bytes that become an object once all of them are there and their digest is right. What came so far outlives the
/// writer and the process: the next writer of the same object goes on from there.
/// Threads: one writer; any number may pread fd() meanwhile.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  virtual absl::Status append(std::span<const std::uint8_t> bytes) = 0;
  /// Bytes so far; more than 0 at once when an earlier writer left some.
  virtual std::uint64_t size() const = 0;
  virtual int fd() const = 0;  ///< readable too
  /// Publishes under the digest given at creation. DataLoss when the bytes hash to something else: they are dropped.
  virtual absl::Status commit() = 0;
  /// The bytes so far turned out wrong: the next writer is to start from nothing.
  virtual void discard() = 0;
};

/// What this machine has: whole objects (manifests, original layers, indexes) and blobs of which some or all chunks
/// are present. Rows in RocksDB say what is there; the bytes lie in files, once, sparse while incomplete:
///
///   <root>/db/                     rows (docs/cache.md)
///   <root>/objects/sha256/ab/…     one file an object or blob, named by digest
///   <root>/incoming/               what is being written; after a restart, objects of which a part has come
///
/// A row is written after its bytes, so that kill -9 at any instant leaves no row that lies; open() also drops rows of
/// files that somebody removed or cut meanwhile. A chunk is verified by digest when it is read the first time after it
/// was stored or after a restart; one that fails is dropped and reported as DataLoss, and fetching it again mends it.
///
/// What it takes of the disk is bounded by Limits, once start_eviction() was called: what was used longest ago goes, by
/// range where a blob is here in part, by file else (docs/cache.md has the order). A write for which there is no room
/// waits a moment for some, then gets ResourceExhausted: its bytes are to be passed on without being kept. Whoever has
/// an object open keeps its bytes; everybody else gets NotFound, as if it had never been here.
/// Threads: any.
class Cache {
 public:
  /// Of the disk that the cache is on. Zeros: no limit of that kind.
  struct Limits {
    std::uint64_t quota = 0;           ///< bytes of everything below root
    std::uint64_t min_free_bytes = 0;  ///< that the filesystem keeps free ...
    double min_free_share = 0;         ///< ... or this part of its size (0.05), if that is more
  };
  struct Options {
    std::string root;
    Limits limits = {};
    const Clock* clock = nullptr;  ///< borrowed; nullptr: the machine's
    Metrics* metrics = nullptr;    ///< borrowed; nullptr: nobody reads them
  };
  /// `extra_tables`: tables of other components that share the database (store()).
  /// A cache in an older format begins anew; pins and other components' tables stay.
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
  /// Takes up what an earlier writer left; of two at the same time the second starts from nothing.
  virtual absl::StatusOr<std::unique_ptr<ObjectWriter>> create_object(const Digest& digest) = 0;
  /// All at once.
  virtual absl::Status put_object(const Digest& digest, std::span<const std::uint8_t> bytes) = 0;
  /// Also forgets the chunks that lie in it. OK when there is none.
  virtual absl::Status remove_object(const Digest& digest) = 0;

  // Converted layers.
  /// The record of a layer of which index and blob are here whole; NotFound when one of them isn't (any more).
  virtual absl::StatusOr<LayerRecord> converted_layer(const Digest& layer) const = 0;
  /// A directory under incoming/ for LayerWriter; publish_layer() takes blob and index out of it.
  virtual absl::StatusOr<std::string> create_incoming_directory() = 0;
  /// Moves `<directory>/blob` and `<directory>/index` into place and writes their rows; the layer is there with the
  /// last of them.
  virtual absl::Status publish_layer(const std::string& directory, const LayerRecord& record) = 0;
  /// The same of a layer whose index and blob came as objects. The caller has proved the layer (verify_layer()): the rows
  /// then say that each chunk lies where the index says. NotFound: one of them isn't here whole; InvalidArgument: the index
  /// is of another blob. DataLoss: another size than the record says.
  virtual absl::Status adopt_layer(const LayerRecord& record) = 0;
  virtual absl::StatusOr<LayerRecord> layer(const Digest& layer) const = 0;
  virtual absl::Status put_layer(const LayerRecord& record) = 0;
  /// All records that can be read.
  virtual absl::StatusOr<std::vector<LayerRecord>> layers() const = 0;

  // Chunks. `blob` says in which blob's file a frame goes; any blob's copy answers a read.
  virtual bool has_chunk(const Digest& chunk) const = 0;
  /// Stores a frame that open_frame() has accepted; nothing to do for a chunk that is here already. `blob` comes from
  /// an index that may lie: FailedPrecondition when it names a whole object that has other bytes there.
  virtual absl::Status put_frame(const Digest& blob, const Chunk& chunk, std::span<const std::uint8_t> frame) = 0;
  /// The chunk's uncompressed, verified bytes. NotFound; DataLoss when what was there was altered (now dropped).
  virtual absl::StatusOr<std::string> read_chunk(const Chunk& chunk) = 0;
  /// The chunk's frame as it lies here, not verified: for whoever verifies it. NotFound, also when it is here as a frame
  /// of another size than the index says.
  virtual absl::StatusOr<std::string> read_frame(const Chunk& chunk) = 0;
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

  // Room.
  struct Usage {
    std::uint64_t objects = 0;       ///< files of objects and blobs
    std::uint64_t disk_bytes = 0;    ///< blocks really used: theirs, of what is on its way, and of the rows
    std::uint64_t limit = 0;         ///< what that may reach now; 0: no limit
    std::uint64_t pinned_bytes = 0;  ///< that the last eviction had to leave alone
  };
  virtual absl::StatusOr<Usage> usage() const = 0;

  /// What an operator wants to keep whatever else is evicted. It brings nothing here.
  struct Pin {
    std::string name;             ///< what people call it; one pin a name
    std::string reason;
    std::uint64_t expires = 0;    ///< seconds since the epoch; 0: never
    std::vector<Digest> members;  ///< objects, and layers: with those, their index, blob and chunks
  };
  /// Replaces the pin of the same name. InvalidArgument: no name, no member, or more than fit a row.
  virtual absl::Status add_pin(const Pin& pin) = 0;
  virtual absl::Status remove_pin(const std::string& name) = 0;  ///< NotFound
  /// Those that haven't expired, by name.
  virtual absl::StatusOr<std::vector<Pin>> pins() const = 0;
  /// Disk that what it names takes just now.
  virtual std::uint64_t pinned_bytes(const Pin& pin) const = 0;

  /// What a daemon works with just now.
  struct InUse {
    std::vector<Digest> objects;                             ///< stay
    std::vector<std::shared_ptr<const IndexReader>> layers;  ///< whose chunks go last
    bool layers_stay = false;                                ///< ... or not at all: nobody could bring them again
  };
  /// Keeps the cache within its limits from now on. `in_use` is asked before anything is evicted, on a thread of the
  /// cache's, and may take its time.
  virtual void start_eviction(std::function<InUse()> in_use) = 0;
  /// Waits for an eviction under way. To be called before what `in_use` uses goes; idempotent.
  virtual void stop_eviction() = 0;
  /// Evicts until at most `bytes` are used or nothing is left that may go; returns how many it freed.
  virtual absl::StatusOr<std::uint64_t> evict_to(std::uint64_t bytes) = 0;

  /// What somebody wants gone now, whether or not the room is needed.
  struct Removal {
    std::vector<Digest> members{};   ///< objects and layers, as a pin's
    bool everything = false;       ///< ... or all that is here
    std::uint64_t used_before = 0;  ///< seconds since the epoch: what was used then or later stays; 0: however lately
    std::vector<Digest> keep{};      ///< objects and layers that stay, with all that they need
  };
  enum class Doing { kRemove, kPlan };
  /// Removes it, apart from what is pinned, in use or to be kept; a chunk that one of those needs too stays. Expired pins
  /// go as well. Returns how many bytes that freed, or would.
  virtual absl::StatusOr<std::uint64_t> remove(const Removal& removal, Doing doing) = 0;

  // What is here, for people.
  struct ObjectUse {
    std::uint64_t size = 0;      ///< 0: not complete
    std::uint64_t disk_bytes = 0;
    std::uint64_t last_use = 0;  ///< seconds since the epoch, to ten minutes; 0: not recorded
    bool complete = false;
  };
  virtual std::optional<ObjectUse> object_use(const Digest& digest) const = 0;  ///< nullopt: no row
  /// When each of these chunks was used last, to ten minutes; nullopt: it isn't here.
  virtual absl::StatusOr<std::vector<std::optional<std::uint64_t>>> chunk_uses(const std::vector<Digest>& chunks) const = 0;
};

}  // namespace samara::cache_index
