#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace samara::snapshotter {

/// How long containerd is kept waiting for a layer that the site is still converting: only as long as that beats an
/// ordinary pull.
///
/// Up to `base` without any condition. After that, and up to `base` plus the time an ordinary pull and unpack of the
/// layer would take, only while the progress seen since the first answer says that the conversion ends before then.
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

  /// The time after the start when an ordinary pull of a layer of `bytes` would be faster; `base` when not known (0).
  Duration limit(std::uint64_t bytes) const;

 private:
  struct Observation {
    TimePoint at;
    std::uint64_t done = 0;
  };
  bool ends_in_time(TimePoint now, std::uint64_t done, std::uint64_t total) const;

  Options options_;
  TimePoint start_;
  std::optional<Observation> first_;
};

}  // namespace samara::snapshotter
