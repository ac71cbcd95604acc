#pragma once

#include <array>
#include <map>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "fetch_queue.h"
#include "peer/slow_fetches.h"

namespace samara::peer {

/// What the fetcher counts, with every handle looked up once.
class FetchMetrics {
 public:
  FetchMetrics(Metrics& metrics, const std::vector<RangeSource*>& sources);

  using PerClass = std::array<Metrics::Counter*, kFetchClasses>;
  static Metrics::Counter& of(const PerClass& counters, FetchClass urgency) {
    return *counters[static_cast<std::size_t>(urgency)];
  }
  /// What came from one place: chunks, and the bytes of their frames.
  struct Given {
    PerClass chunks, bytes;
    void add(FetchClass urgency, std::uint64_t frame_bytes) const {
      of(chunks, urgency).add();
      of(bytes, urgency).add(static_cast<double>(frame_bytes));
    }
  };

  Given from_memory, from_cache;
  PerClass dropped;
  struct Source {
    Given given;
    Metrics::Counter* bytes = nullptr;
    Metrics::Counter* wrong = nullptr;
  };
  const Source& source(const RangeSource& source) const { return sources_.at(&source); }
  std::array<Metrics::Histogram*, kFetchClasses> seconds{};  ///< from asked for to given, of chunks from sources
  std::array<Metrics::Counter*, kSlowCauses> stalls{};       ///< reads that waited over 100 ms for a chunk, by cause
  Metrics::Gauge& waiting;
  Metrics::Gauge& memory;
  Metrics::Counter& not_stored;

 private:
  std::map<const RangeSource*, Source> sources_;
};

}  // namespace samara::peer
