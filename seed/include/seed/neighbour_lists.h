#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/http/server.h"
#include "cache_index/cache.h"
#include "cache_index/signature.h"
#include "peer/neighbour_protocol.h"

namespace samara::seed {

/// Which nodes read which blob just now: tells those who ask of each other, and gives them leave to read from each other.
///
/// In memory: a node that doesn't ask again is forgotten, and after a restart of the site the list fills again by
/// itself. A node is named only at the address that it asked from.
/// Threads: any.
class NeighbourLists {
 public:
  struct Options {
    std::size_t max_blobs = 100'000;
    std::size_t max_nodes = 10'000;          ///< of one blob; more are answered and not kept
    std::size_t max_nodes_of_address = 64;   ///< of one blob; nodes behind one address
    std::chrono::seconds soon{3}, late{120};  ///< how often nodes are to ask: while others come, and else
    std::chrono::hours ticket_lifetime{24};
  };
  /// The first two are borrowed.
  NeighbourLists(const cache_index::Cache& cache, const Clock& clock, cache_index::SigningKey key, const Options& options)
      : cache_(cache), clock_(clock), key_(std::move(key)), options_(options) {}

  /// Answers kNeighboursPath; false when the request is for something else.
  bool handle(const http::Request& request, http::ResponseWriter& out);

  /// What the node at `address` (numeric) gets that wants the blob and serves others at `url`.
  /// Errors: NotFound (a blob that this site doesn't know), InvalidArgument (url).
  absl::StatusOr<peer::NeighbourList> list(const Digest& blob, std::string_view url, std::string_view address);

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Readers {
    std::map<std::string, TimePoint> until;  // by URL
    std::map<std::string, std::size_t, std::less<>> of_address;
    TimePoint grown;  // when the last new one came
  };

  void forget_old(Readers& readers);
  void forget_unread();
  bool may_keep(const Readers& readers, std::string_view address) const;
  std::chrono::seconds ask_again(const Readers& readers) const;

  const cache_index::Cache& cache_;
  const Clock& clock_;
  const cache_index::SigningKey key_;
  const Options options_;
  std::mutex mutex_;
  std::map<Digest, Readers> readers_;
};

}  // namespace samara::seed
