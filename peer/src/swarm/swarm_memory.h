#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cache_index/store.h"
#include "peer/torrent.h"

namespace samara::peer {

/// What the swarm keeps over a restart, in the cache's store (peer/docs/swarm.md): the pieces of each blob that is
/// shared, and which of them were here. A row that can't be read counts as none.
/// Threads: any.
class SwarmMemory {
 public:
  explicit SwarmMemory(cache_index::Store& store) : store_(store) {}
  static std::vector<std::string> tables();

  absl::Status remember(const Digest& blob, const BlobPieces& pieces);
  absl::Status remember_have(const Digest& blob, std::string bits);
  /// Empty when nothing is known. See SharedBlob::have_bits().
  std::string have(const Digest& blob) const;
  absl::Status forget_have(const Digest& blob);
  absl::Status forget(const Digest& blob);
  std::vector<std::pair<Digest, BlobPieces>> all() const;

 private:
  cache_index::Store& store_;
};

}  // namespace samara::peer
