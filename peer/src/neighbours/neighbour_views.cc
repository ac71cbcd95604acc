#include "peer/neighbour_views.h"

#include <algorithm>
#include <utility>

#include "peer/neighbour_ranking.h"

namespace samara::peer {

NeighbourViews::View& NeighbourViews::view_of(const Digest& blob, TimePoint now) {
  const auto [it, is_new] = views_.try_emplace(blob);
  it->second.used = now;
  if (is_new) it->second.due = now;
  return it->second;
}

bool NeighbourViews::note(const Digest& blob, TimePoint now) {
  const std::size_t before = views_.size();
  view_of(blob, now);
  return views_.size() > before;
}

bool NeighbourViews::is_settled(const Digest& blob) const {
  const auto it = views_.find(blob);
  return it != views_.end() && it->second.settled;
}

NeighbourViews::Plan NeighbourViews::whom_to_ask(const Digest& blob, std::uint64_t offset, TimePoint now) {
  const View& view = view_of(blob, now);
  Plan plan{.urls = owners(view.urls, blob, offset), .ticket = view.ticket};
  if (std::find(plan.urls.begin(), plan.urls.end(), view.self) != plan.urls.end()) return {};
  leave_out_resting(plan.urls, now);
  plan.urls = in_order_for(view.self, std::move(plan.urls), offset);
  return plan;
}

NeighbourViews::Plan NeighbourViews::anybody(const Digest& blob, std::uint64_t offset, TimePoint now) {
  const View& view = view_of(blob, now);
  Plan plan{.urls = ranked(view.urls, blob, offset), .ticket = view.ticket};
  std::erase(plan.urls, view.self);
  leave_out_resting(plan.urls, now);
  return plan;
}

bool NeighbourViews::is_ours(const Digest& blob, std::uint64_t offset, TimePoint now) {
  const View& view = view_of(blob, now);
  const auto owns = [&](const std::vector<std::string>& urls) {
    const std::vector<std::string> best = owners(urls, blob, offset);
    return std::find(best.begin(), best.end(), view.self) != best.end();
  };
  return owns(view.urls) || (view.before != view.urls && owns(view.before));
}

void NeighbourViews::leave_out_resting(std::vector<std::string>& urls, TimePoint now) const {
  std::erase_if(urls, [&](const std::string& url) {
    const auto it = health_.find(url);
    return it != health_.end() && now < it->second.until;
  });
}

std::optional<NeighbourViews::Due> NeighbourViews::next(TimePoint now, Duration forget) {
  std::erase_if(views_, [&](const auto& entry) { return now - entry.second.used > forget; });
  std::erase_if(health_, [&](const auto& entry) { return now - entry.second.until > rests_.last; });
  const auto soonest = std::min_element(views_.begin(), views_.end(),
                                        [](const auto& a, const auto& b) { return a.second.due < b.second.due; });
  if (soonest == views_.end()) return std::nullopt;
  return Due{soonest->first, soonest->second.due};
}

void NeighbourViews::told(const Digest& blob, Told told, TimePoint now) {
  const auto it = views_.find(blob);
  if (it == views_.end()) return;
  View& view = it->second;
  view.settled = true;
  view.due = now + told.ask_again;
  view.before = std::exchange(view.urls, std::move(told.urls));
  view.self = std::move(told.self);
  view.ticket = std::move(told.ticket);
}

void NeighbourViews::remembered(const Digest& blob, Told told_before, TimePoint now) {
  note(blob, now);
  told_before.ask_again = Duration(0);
  told(blob, std::move(told_before), now);
}

void NeighbourViews::not_told(const Digest& blob, Duration retry, TimePoint now) {
  const auto it = views_.find(blob);
  if (it == views_.end()) return;
  it->second.settled = true;
  it->second.due = now + retry;
}

void NeighbourViews::failed(const std::string& url, TimePoint now) {
  Health& health = health_[url];
  health.rest = std::clamp(2 * health.rest, rests_.first, rests_.last);
  health.until = now + health.rest;
}

void NeighbourViews::lied(const std::string& url, TimePoint now) {
  health_[url] = {.rest = rests_.last, .until = now + rests_.liars};
}

}  // namespace samara::peer
