#include "resumes.h"

#include <algorithm>
#include <utility>

#include "retry_after.h"

namespace samara::registry_proxy {
namespace {

constexpr std::uint64_t kProgress = 1u << 20;

}  // namespace

std::optional<std::chrono::milliseconds> Resumes::pause_after(const absl::Status& failure, std::uint64_t position) {
  if (position <= begin_) return std::nullopt;
  std::chrono::milliseconds at_least{0};
  if (absl::IsResourceExhausted(failure)) {
    const auto rest = retry_after(failure);  // of a full disk, nothing
    if (!rest || *rest > options_.longest_rest) return std::nullopt;
    at_least = *rest;
  } else if (!absl::IsUnavailable(failure) && !absl::IsDeadlineExceeded(failure)) {
    return std::nullopt;
  }
  if (position - mark_ >= kProgress) {
    mark_ = position;
    resumes_ = 0;
    pause_ = options_.resume_backoff;
  }
  if (++resumes_ > options_.max_resumes) return std::nullopt;
  return std::max(at_least, std::exchange(pause_, std::min(pause_ * 2, options_.longest_rest)));
}

}  // namespace samara::registry_proxy
