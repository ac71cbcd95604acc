#include "snapshotter/wait_policy.h"

#include <algorithm>

namespace samara::snapshotter {
namespace {

using std::chrono::duration_cast;

constexpr double kLongestSeconds = 3600;  // also keeps sizes from outside from overflowing a duration

double seconds(WaitPolicy::TimePoint::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

WaitPolicy::Duration WaitPolicy::limit(std::uint64_t bytes) const {
  const double pull = static_cast<double>(bytes) / static_cast<double>(options_.ordinary_bytes_per_second);
  return options_.base + Duration(static_cast<std::int64_t>(std::min(pull, kLongestSeconds) * 1000));
}

WaitPolicy::Duration WaitPolicy::next_wait(TimePoint now, std::uint64_t done, std::uint64_t total) {
  if (!first_) first_ = Observation{now, done};
  const auto elapsed = duration_cast<Duration>(now - start_);
  const Duration left = limit(total) * kMostWaits - elapsed;
  if (left <= Duration::zero()) return Duration::zero();
  const Duration anyway = std::max(options_.base, limit(total) / 2);
  if (elapsed < anyway) return std::min(options_.slice, anyway - elapsed);
  return beats_ordinary_pull(now, done, total) ? std::min(options_.slice, left) : Duration::zero();
}

bool WaitPolicy::beats_ordinary_pull(TimePoint now, std::uint64_t done, std::uint64_t total) const {
  const double took = seconds(now - first_->at);
  if (total == 0 || done <= first_->done || took <= 0) return false;
  const double rate = static_cast<double>(done - first_->done) / took;
  const double left = static_cast<double>(total > done ? total - done : 0);
  return left / rate <= seconds(limit(total));
}

}  // namespace samara::snapshotter
