#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace samara::snapshotter {

/// How long containerd is kept waiting for a layer that the site is still converting: only as long as that beats an
/// ordinary pull.
///
/// Up to `base`, and up to half of limit(), without any condition: a rate seen for a moment says little. After that
/// only while what is left of the conversion, at the rate seen since the first answer, takes less time than the
/// ordinary pull and unpack that would begin now; what was waited already can't be had back and doesn't count. In no
/// case longer than kMostWaits times limit(), for a rate that keeps falling.
/// Source of the rate: containerd 1.6 pulls and unpacks a 149 MiB image from a registry on the same machine in 7.3 s.
/// Threads: one.
class WaitPolicy {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::milliseconds;

  struct Options {
    Duration base{1'000};
    std::uint64_t ordinary_bytes_per_second = 20'000'000;  ///< compressed bytes, pulled and unpacked; not 0
    Duration slice{500};                                   ///< progress is looked at this often
  };

  WaitPolicy(const Options& options, TimePoint start) : options_(options), start_(start) {}

  /// The site just said that `done` of `total` compressed bytes are converted (total 0: not known). How long may the
  /// next question take? Zero: no longer worth it.
  Duration next_wait(TimePoint now, std::uint64_t done, std::uint64_t total);

  static constexpr int kMostWaits = 3;
  /// What an ordinary pull of a layer of `bytes` takes, and `base`; `base` alone when the size isn't known (0).
  Duration limit(std::uint64_t bytes) const;

 private:
  struct Observation {
    TimePoint at;
    std::uint64_t done = 0;
  };
  bool beats_ordinary_pull(TimePoint now, std::uint64_t done, std::uint64_t total) const;

  Options options_;
  TimePoint start_;
  std::optional<Observation> first_;
};

}  // namespace samara::snapshotter
