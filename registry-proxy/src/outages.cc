#include "outages.h"

#include <algorithm>

namespace samara::registry_proxy {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongestPause{60'000};
constexpr std::chrono::seconds kRecovery{30};
constexpr int kAtOnceInRecovery = 4;

}  // namespace

bool Outages::may_ask(const std::string& registry) {
  const Time now = clock_.now();
  const std::lock_guard lock(mutex_);
  State& state = states_[registry];
  if (state.failures > 0 && (now < state.retry || state.asking > 0)) return false;
  if (now < state.recovered && state.asking >= kAtOnceInRecovery) return false;
  ++state.asking;
  return true;
}

void Outages::done(const std::string& registry, bool outage) {
  const Time now = clock_.now();
  const std::lock_guard lock(mutex_);
  State& state = states_[registry];
  --state.asking;
  if (!outage) {
    if (state.failures > 0) state.recovered = now + kRecovery;
    state.failures = 0;
  } else if (state.failures == 0 || now >= state.retry) {  // and not one more of those that asked together
    state.failures = std::min(state.failures + 1, 16);
    state.retry = now + pause(state.failures);
  }
}

milliseconds Outages::pause(int failures) {
  const milliseconds longest = std::max(kLongestPause, first_pause_);
  milliseconds pause = first_pause_;
  for (int i = 1; i < failures && pause < longest; ++i) pause *= 2;
  pause = std::min(pause, longest);
  std::uniform_int_distribution<std::int64_t> jitter(pause.count() / 2, pause.count());
  return milliseconds(jitter(random_));
}

}  // namespace samara::registry_proxy
