#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "cache_index/index_reader.h"

namespace samara::peer {

/// How badly somebody wants bytes, most urgent first. A more urgent class never waits behind a less urgent one.
enum class FetchClass { kBlocking, kTrace, kReadahead, kBackground };

/// As metrics name them, and machines each other.
constexpr std::string_view to_string(FetchClass urgency) {
  switch (urgency) {
    case FetchClass::kTrace: return "trace";
    case FetchClass::kReadahead: return "readahead";
    case FetchClass::kBackground: return "background";
    case FetchClass::kBlocking: break;
  }
  return "blocking";
}
/// What isn't the name of one is kBlocking: who says nothing waits.
constexpr FetchClass fetch_class(std::string_view name) {
  for (const FetchClass urgency : {FetchClass::kTrace, FetchClass::kReadahead, FetchClass::kBackground}) {
    if (name == to_string(urgency)) return urgency;
  }
  return FetchClass::kBlocking;
}

/// A layer whose chunks can be read. Shared by the mount and by reads still under way when it goes.
using LayerIndex = std::shared_ptr<const cache_index::IndexReader>;

/// A chunk's bytes, shared with the memory cache.
using ChunkBytes = std::shared_ptr<const std::string>;

/// Gives verified chunks of layers, from wherever they are nearest.
///
/// Threads: any. `done` is called exactly once, on the caller's thread when the bytes are in memory or on another one,
/// and must not block.
class ChunkReader {
 public:
  using Done = std::function<void(absl::StatusOr<ChunkBytes>)>;
  virtual ~ChunkReader() = default;

  /// Errors: Unavailable or DeadlineExceeded (no source answered in time), DataLoss (every source's bytes are wrong),
  /// OutOfRange (no such chunk).
  virtual void read(const LayerIndex& layer, std::uint32_t chunk, FetchClass urgency, Done done) = 0;
  /// Brings chunks [first, first + count) into the cache, when there is time for it. Never reports.
  virtual void prefetch(const LayerIndex& layer, std::uint32_t first, std::uint32_t count, FetchClass urgency) = 0;
};

}  // namespace samara::peer
