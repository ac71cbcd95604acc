#include <algorithm>
#include <limits>

#include "base/text.h"
#include "seed/jobs.h"
#include "seed/selector.h"

/// What of the warm jobs time changes, and who is here.
namespace samara::seed {
namespace {

using Phase = WarmImageState::Phase;
using State = WarmItem::State;

constexpr std::chrono::seconds kDay{24 * 3600};

bool has_looked(const WarmImageState& image) {
  return std::all_of(image.items.begin(), image.items.end(), [](const auto& entry) {
    return entry.second.missing.has_value() || entry.second.is_final();
  });
}

bool has_deadline(const Job& job) {
  return std::any_of(job.images.begin(), job.images.end(), [](const auto& image) { return image.wish.deadline.count() > 0; });
}

/// What the job still moves to the node, apart from one of its images.
std::uint64_t moves_to(const Job& job, const std::string& node, std::size_t apart_from) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < job.images.size(); ++i) {
    if (i == apart_from || job.images[i].phase == Phase::kLooking) continue;
    const auto item = job.images[i].items.find(node);
    if (item != job.images[i].items.end() && item->second.state != State::kFailed) bytes += item->second.missing.value_or(0);
  }
  return bytes;
}

/// What the sites of its nodes have told of the links to them.
void note_links(WarmImageState& image, const Fleet& fleet, Time now) {
  for (const auto& [node, item] : image.items) {
    const auto child = fleet.children().find(Fleet::child_of(node));
    if (child == fleet.children().end() || fleet.is_cut(node, now)) continue;
    const auto lacks = child->second.lacks.find(image.manifest);
    const std::chrono::seconds into_day = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()) % kDay;
    image.links[child->first] = {.lacks = lacks == child->second.lacks.end() ? bytes_of(*image.image, peer::WarmLevel::kFull) : lacks->second,
                                 .rate = child->second.last.link_rate,
                                 .day = child->second.last.link_day,
                                 .today = child->second.last.link_today,
                                 .to_midnight = kDay - into_day};
  }
}

}  // namespace

void Jobs::tick(const Fleet& fleet, Time now) {
  for (auto& [id, job] : jobs_) {
    const bool lives = job.state == Job::State::kRunning || job.state == Job::State::kDone || job.state == Job::State::kFailed;
    if (!lives || (job.is_over() && now > end_of_life(job))) continue;
    choose_nodes(job, fleet, now);
    note_absence(job, fleet, now);
    if (job.is_over()) continue;
    look(job, fleet, now);
    if (job.is_over()) continue;
    check_deadlines(job, now);
    check_end(job, now);
  }
}

void Jobs::choose_nodes(Job& job, const Fleet& fleet, Time now) {
  std::uint64_t& seen = chosen_from_[job.id];
  if (seen == fleet.version()) return;
  seen = fleet.version();
  for (std::size_t i = 0; i < job.images.size(); ++i) {
    WarmImageState& image = job.images[i];
    const absl::StatusOr<Selector> nodes = Selector::parse(image.wish.nodes);
    if (!nodes.ok() || image.phase == Phase::kFailed) continue;
    const std::vector<std::string>& sites = image.wish.sites;
    for (const auto& [name, node] : fleet.nodes()) {
      if (image.items.contains(name) || fleet.is_away(node, now) || !nodes->matches(name, node.last.labels)) continue;
      if (!sites.empty() && std::find(sites.begin(), sites.end(), node.site) == sites.end()) continue;
      set_item(job, i, name, State::kWaiting, now);
      image.items[name].site = node.site;
      if (job.is_over()) reopen(job);
    }
  }
}

void Jobs::note_absence(Job& job, const Fleet& fleet, Time now) {
  for (std::size_t i = 0; i < job.images.size(); ++i) {
    if (job.images[i].phase == Phase::kFailed) continue;
    for (auto& [name, item] : job.images[i].items) {
      const bool here = fleet.is_here(name, now);
      if (here && item.away && item.state == State::kFailed) {  // it is back
        set_item(job, i, name, State::kWaiting, now);
        item.away = false;
        if (job.is_over()) reopen(job);
      }
      if (item.is_final()) continue;
      item.away = !here;
      // Its site goes on by itself.
      if (fleet.is_cut(name, now) && now <= end_of_life(job)) continue;
      const Fleet::Node* const node = fleet.find(name);
      const Time last = std::max(node == nullptr ? Time() : node->last_heard, std::min(item.since, job.images[i].since));
      if (here || now - last <= options_.give_up) continue;
      set_item(job, i, name, State::kFailed, now,
               str_cat("not heard of for ", std::chrono::duration_cast<std::chrono::seconds>(now - last).count(), " s"));
    }
  }
}

bool Jobs::is_patient(const WarmImageState& image, Time now) const {
  const bool far = std::any_of(image.items.begin(), image.items.end(), [](const auto& item) { return !Fleet::child_of(item.first).empty(); });
  return now - image.since < (far ? options_.far_look_patience : options_.look_patience);
}

// Nodes have said what they lack, or had time enough to.
void Jobs::look(Job& job, const Fleet& fleet, Time now) {
  bool all_looked = true;
  for (WarmImageState& image : job.images) {
    if (image.phase == Phase::kResolving) all_looked = false;
    if (image.phase != Phase::kLooking) continue;
    const bool patience_ends = !is_patient(image, now);
    for (auto& [node, item] : image.items)
      if (patience_ends && !item.missing && !item.is_final()) item.missing = image.bytes;
    note_links(image, fleet, now);
    all_looked = all_looked && has_looked(image);
  }
  const bool together = job.spec.plan || has_deadline(job);
  if (together && !all_looked) return;
  const bool any_looked = std::any_of(job.images.begin(), job.images.end(), [](const auto& image) { return image.phase == Phase::kLooking; });
  if (!any_looked) return;
  if (job.spec.plan) return end(job, Job::State::kPlanned, "", now);
  if (together && refuse(job, now)) return;
  for (std::size_t i = 0; i < job.images.size(); ++i)
    if (job.images[i].phase == Phase::kLooking && has_looked(job.images[i])) begin_to_place(job, i, fleet, now);
}

// Does a deadline refuse the job?
bool Jobs::refuse(Job& job, Time now) {
  for (const WarmImageState& image : job.images) {
    const std::chrono::seconds deadline = image.wish.deadline;
    if (deadline.count() == 0 || image.phase != Phase::kLooking) continue;
    const Estimate needed = samara::seed::estimate(job, options_.rates, deadline);
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(job.started + deadline - now).count();
    if (static_cast<std::int64_t>(needed.seconds) <= left) continue;
    end(job, Job::State::kRefused,
        str_cat("a deadline of ", deadline.count(), " s can't be met: the link \"", needed.bound_by, "\" needs ", needed.seconds,
                " s at least. Ask for a level below, fewer nodes or more time; samara warm --plan shows the bytes"),
        now);
    return true;
  }
  return false;
}

void Jobs::begin_to_place(Job& job, std::size_t index, const Fleet& fleet, Time now) {
  WarmImageState& image = job.images[index];
  for (auto& [name, item] : image.items) {
    const Fleet::Node* const node = fleet.find(name);
    if (node == nullptr || item.is_final()) continue;
    const std::uint64_t room = room_of(*node), needed = item.missing.value_or(0) + moves_to(job, name, index);
    if (needed <= room) continue;
    set_item(job, index, name, State::kFailed, now,
             str_cat("not enough room: it takes ", needed, " bytes, and the node's cache has ", room,
                     " that aren't pinned; raise [cache] quota, or samara image unpin something"));
  }
  const bool converted = std::all_of(image.image->layers.begin(), image.image->layers.end(), [](const auto& layer) { return layer.converted(); });
  image.to_convert = bytes_to_convert(*image.image);
  enter(job, index, converted ? Phase::kPlacing : Phase::kConverting, now);
}

void Jobs::check_deadlines(Job& job, Time now) {
  for (std::size_t i = 0; i < job.images.size(); ++i) {
    const std::chrono::seconds deadline = job.images[i].wish.deadline;
    if (deadline.count() == 0 || now - job.started <= deadline || job.images[i].phase == Phase::kFailed) continue;
    const std::string why = str_cat("not verified within the deadline of ", deadline.count(), " s");
    if (job.images[i].phase != Phase::kPlacing) {
      fail_image(job, i, why, now);
      continue;
    }
    for (auto& [node, item] : job.images[i].items)
      if (!item.is_final()) set_item(job, i, node, State::kFailed, now, why);
  }
}

void Jobs::check_end(Job& job, Time now) {
  std::size_t lacking = 0, items = 0, failed_images = 0;
  for (const WarmImageState& image : job.images) {
    if (image.phase == Phase::kFailed) ++failed_images;
    if (image.phase != Phase::kFailed && image.phase != Phase::kPlacing) return;
    for (const auto& [node, item] : image.items) {
      if (!item.is_final()) return;
      ++items;
      if (item.state == State::kFailed) ++lacking;
    }
  }
  if (lacking == 0 && failed_images == 0) return end(job, Job::State::kDone, "", now);
  end(job, Job::State::kFailed,
      failed_images > 0 ? str_cat(failed_images, " of ", job.images.size(), " images can't be warmed")
                        : str_cat(lacking, " of ", items, " placements aren't verified"),
      now);
}

void Jobs::end(Job& job, Job::State state, std::string reason, Time now) {
  job.state = state;
  job.reason = std::move(reason);
  job.ended = now;
  changed_.insert(job.id);
}

}  // namespace samara::seed
