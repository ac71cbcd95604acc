#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/http/peer_certificate.h"
#include "base/metrics.h"
#include "cache_index/cache.h"
#include "peer/chunk_reader.h"
#include "peer/torrent.h"

namespace samara::peer {

/// This machine's part in the swarms of blobs: gives what it has of them, and fetches the rest, rarest piece first.
///
/// A blob's bytes lie once on disk, in the cache's file. A piece counts once its hash is right; the chunks that lie in
/// pieces that are here become chunks of the cache (verified by digest, rows written, nothing copied), and a blob that
/// is here whole becomes a whole object. What is here survives a restart.
/// For bulk only: a read that somebody waits for takes milliseconds by HTTP and tens of them here.
/// Threads: any; join() reads the disk, so not from where somebody waits.
class Swarm {
 public:
  struct Options {
    std::string listen = "0.0.0.0:7702";  ///< "address:port"; port 0: any free one
    std::uint64_t upload_limit = 0;       ///< bytes a second over all blobs; 0: none
    std::uint64_t download_limit = 0;
    std::size_t upload_slots = 0;  ///< peers that one machine gives to at once; 0: no limit
    /// Members show each other certificates (TLS); followed when they change, but for the authority. Empty: they don't, and
    /// whoever knows a blob's infohash and reaches the port is given it.
    http::PeerCertificateFiles certificates{};
    std::string tracker_authority{};  ///< PEM: who vouches for https:// trackers, in place of the system's; empty: the system's
    /// A peer that doesn't answer a request for so long has its blocks asked of others.
    std::chrono::seconds patience{10};
    /// Called when a blob has become whole, or has turned out not to be what it was said to be (DataLoss; it is left
    /// then), on a thread of the swarm's.
    std::function<void(const Digest& blob, const absl::Status& status)> on_complete;
  };
  /// A blob to share, and how to find those who have it.
  struct Blob {
    Digest digest;
    BlobPieces pieces;               ///< a claim of somebody's: the digest decides in the end
    LayerIndex index;                ///< its chunks; null for what isn't a converted layer
    std::vector<std::string> trackers;  ///< announce URLs
    std::vector<std::string> peers;     ///< "address:port", numeric
  };
  struct State {
    std::uint32_t pieces = 0, pieces_total = 0;
    bool paused = false;
    int peers = 0;                       ///< connected
    int download_rate = 0, upload_rate = 0;  ///< bytes a second
    std::uint64_t downloaded = 0, uploaded = 0;  ///< bytes of pieces since joining
    std::uint64_t wrong_pieces = 0;      ///< that came and had another hash
    std::string tracker_error;           ///< the last one; empty when trackers answer
    bool complete() const { return pieces == pieces_total; }
  };

  /// The tables of the cache's store that it keeps its state in.
  static std::vector<std::string> tables();
  /// `cache` was opened with tables(); borrowed, as `metrics`.
  /// Errors: InvalidArgument (listen, certificates), AlreadyExists (port taken), naming the address; those of files.
  static absl::StatusOr<std::unique_ptr<Swarm>> create(cache_index::Cache& cache, Metrics& metrics, Options options);
  /// Writes down what is here.
  virtual ~Swarm() = default;

  /// Shares the blob from now on. Pieces that chunks of other blobs cover are filled in, not fetched. Again for a blob
  /// that is shared already: adds trackers and peers.
  /// Errors: InvalidArgument (pieces that can't be, too small), those of the disk.
  virtual absl::Status join(Blob blob) = 0;
  /// Stops; what is here stays in the cache.
  virtual void leave(const Digest& blob) = 0;
  /// A paused blob costs nothing, and nobody is given any of it.
  virtual void pause(const Digest& blob) = 0;
  virtual void resume(const Digest& blob) = 0;

  /// Chunks of the blob came into the cache by other ways: pieces that they cover are given from now on. Reads the disk.
  virtual void look_again(const Digest& blob) = 0;

  virtual bool has_joined(const Digest& blob) const = 0;
  /// NotFound unless shared.
  virtual absl::StatusOr<State> state(const Digest& blob) const = 0;
  using States = std::vector<std::pair<Digest, State>>;
  virtual States states() const = 0;
  /// What was shared before the restart, with its pieces, so that it can be joined again.
  virtual std::vector<std::pair<Digest, BlobPieces>> remembered() const = 0;

  virtual std::uint16_t port() const = 0;
  /// What trackers know the blob's swarm by: 20 bytes.
  virtual std::string tracker_key(const Digest& blob, const BlobPieces& pieces) const = 0;
};

}  // namespace samara::peer
