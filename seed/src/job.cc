#include "seed/job.h"

#include <algorithm>

namespace samara::seed {

std::string_view to_string(WarmItem::State state) {
  switch (state) {
    case WarmItem::State::kWaiting: return "waiting";
    case WarmItem::State::kLooking: return "looking";
    case WarmItem::State::kFetching: return "fetching";
    case WarmItem::State::kVerifying: return "verifying";
    case WarmItem::State::kVerified: return "verified";
    case WarmItem::State::kFailed: break;
  }
  return "failed";
}

std::string_view to_string(WarmImageState::Phase phase) {
  switch (phase) {
    case WarmImageState::Phase::kResolving: return "resolving";
    case WarmImageState::Phase::kLooking: return "looking";
    case WarmImageState::Phase::kConverting: return "converting";
    case WarmImageState::Phase::kPlacing: return "placing";
    case WarmImageState::Phase::kFailed: break;
  }
  return "failed";
}

std::string_view to_string(Job::State state) {
  switch (state) {
    case Job::State::kRunning: return "running";
    case Job::State::kPlanned: return "planned";
    case Job::State::kDone: return "done";
    case Job::State::kFailed: return "failed";
    case Job::State::kRefused: return "refused";
    case Job::State::kCancelled: break;
  }
  return "cancelled";
}

namespace {

void add(const WarmImageState& image, const WarmItem& item, WarmCounts& counts) {
  ++counts.nodes;
  counts.verified += item.state == WarmItem::State::kVerified ? 1 : 0;
  counts.failed += item.state == WarmItem::State::kFailed ? 1 : 0;
  counts.away += item.away ? 1 : 0;
  const std::uint64_t lacked = item.missing.value_or(image.bytes);
  // `done` of a node counts what was there before.
  const std::uint64_t before = item.total > lacked ? item.total - lacked : 0;
  const std::uint64_t done = item.done > before ? item.done - before : 0;
  counts.total += lacked;
  counts.done += item.state == WarmItem::State::kVerified ? lacked : std::min(lacked, done);
}

}  // namespace

WarmCounts count(const WarmImageState& image) {
  WarmCounts counts;
  for (const auto& [node, item] : image.items) add(image, item, counts);
  return counts;
}

std::map<std::string, WarmCounts> count_by_site(const WarmImageState& image) {
  std::map<std::string, WarmCounts> sites;
  for (const auto& [node, item] : image.items) add(image, item, sites[item.site]);
  return sites;
}

WarmCounts count(const Job& job) {
  WarmCounts sum;
  for (const WarmImageState& image : job.images) {
    const WarmCounts one = count(image);
    sum.nodes += one.nodes;
    sum.verified += one.verified;
    sum.failed += one.failed;
    sum.away += one.away;
    sum.done += one.done;
    sum.total += one.total;
  }
  return sum;
}

}  // namespace samara::seed
