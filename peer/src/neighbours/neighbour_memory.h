#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cache_index/store.h"
#include "peer/neighbour_protocol.h"

namespace samara::peer {

/// What a node keeps over a restart of what its sites said last: who reads which blob, its leave to ask them, and the
/// sites' public keys, so that nodes that start while every site is away still find each other and let each other read.
///
/// Rows: table "neighbours". Key "blob <digest>": "<seconds since the epoch when it was said>", an empty line, and a
/// NeighbourList; dropped when it is older than a ticket lasts, the oldest ones when there are more than kMostBlobs.
/// Key "key <site's URL>": the site's public key, in hex. A row that can't be read counts as none.
/// Threads: one at a time.
class NeighbourMemory {
 public:
  static constexpr std::size_t kMostBlobs = 512;
  static constexpr std::chrono::hours kOldest{24};
  /// What changes often is written down so often at most.
  static constexpr std::chrono::seconds kPause{60};

  static std::vector<std::string> tables();
  /// Both are borrowed.
  NeighbourMemory(cache_index::Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  struct Known {
    std::map<Digest, NeighbourList> blobs;
    std::map<std::string, std::string> keys;  ///< by site
  };
  /// Drops what is too old or too much; keys of other sites than `sites` too: those aren't believed any more.
  Known load(const std::vector<std::string>& sites);

  /// Said by a site just now.
  void remember(const Digest& blob, const NeighbourList& list);
  void remember_key(const std::string& site, const std::string& public_key);

 private:
  void write(const std::vector<cache_index::Store::Change>& changes);
  std::chrono::sys_seconds now() const;

  cache_index::Store& store_;
  const Clock& clock_;
  std::map<Digest, std::chrono::sys_seconds> written_;
  std::map<std::string, std::string> keys_;
};

}  // namespace samara::peer
