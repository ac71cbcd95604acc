#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"

namespace samara::seed {

/// Which nodes read which blob just now, in memory: one that doesn't ask again is forgotten.
/// Threads: none, and no clock: time is an argument. NeighbourLists guards it.
class BlobReaders {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Options {
    std::size_t max_blobs = 100'000;
    std::size_t max_nodes = 10'000;          ///< of one blob; more are answered and not kept
    std::size_t max_nodes_of_address = 64;   ///< of one blob; nodes behind one address
    /// How often nodes are to ask: while others come, and at most; in between, after as long as nobody new has come.
    std::chrono::seconds soon{3}, late{120};
  };
  explicit BlobReaders(const Options& options) : options_(options) {}

  struct Told {
    std::vector<std::string> urls;  ///< at most peer::kMostNeighbours; of more, everybody is told the same
    std::chrono::seconds ask_again{0};
  };
  /// The node at `url` (as others reach it) reads the blob and asks who else does; it is among them when there is room.
  /// Errors: ResourceExhausted (of blobs).
  absl::StatusOr<Told> ask(const Digest& blob, const std::string& url, TimePoint now);
  bool knows(const Digest& blob) const { return readers_.contains(blob); }

 private:
  struct Readers {
    std::map<std::string, TimePoint> until;  // by URL
    std::map<std::string, std::size_t, std::less<>> of_address;
    TimePoint grown;  // when the last new one came
  };

  static void forget_old(Readers& readers, TimePoint now);
  void forget_unread(TimePoint now);
  bool may_keep(const Readers& readers, std::string_view address) const;
  std::chrono::seconds ask_again(const Readers& readers, TimePoint now) const;

  const Options options_;
  std::map<Digest, Readers> readers_;
};

}  // namespace samara::seed
