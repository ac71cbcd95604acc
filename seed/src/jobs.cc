#include "seed/jobs.h"

#include <algorithm>
#include <charconv>

#include "base/status.h"
#include "base/text.h"
#include "seed/selector.h"

namespace samara::seed {
namespace {

using Phase = WarmImageState::Phase;
using State = WarmItem::State;

constexpr std::size_t kMostErrorBytes = 512;

bool is_meant(const WarmWish& wish, const Selector& nodes, const std::string& name, const Fleet::Node& node) {
  if (!wish.sites.empty() && std::find(wish.sites.begin(), wish.sites.end(), node.site) == wish.sites.end()) return false;
  return nodes.matches(name, node.last.labels);
}

std::string known_sites(const Fleet& fleet, Time now) {
  std::string text;
  for (const auto& [name, site] : fleet.sites(now)) str_append(&text, text.empty() ? "" : ", ", name);
  return text;
}

// What a selector could have said.
std::string known_labels(const Fleet& fleet) {
  std::set<std::string> labels;
  for (const auto& [name, node] : fleet.nodes())
    for (const auto& [key, value] : node.last.labels)
      if (labels.size() < 16) labels.insert(str_cat(key, "=", value));
  std::string text;
  for (const std::string& label : labels) str_append(&text, text.empty() ? "" : ", ", label);
  return text.empty() ? "none" : text;
}

absl::Status check_wish(const WarmWish& wish, const Fleet& fleet, Time now) {
  if (wish.image.empty() || wish.image.size() > 1024) return absl::InvalidArgumentError("an image needs a name of at most 1024 bytes");
  const auto sites = fleet.sites(now);
  for (const std::string& site : wish.sites)
    if (!sites.contains(site))
      return absl::NotFoundError(str_cat("no site \"", site, "\" is known here; those that are: ", known_sites(fleet, now)));
  for (const std::string& site : wish.sites)
    if (fleet.children().contains(site) && fleet.is_cut(str_cat(site, "/"), now))
      return absl::NotFoundError(str_cat("the site ", site, " isn't heard of: its samara-site tells this seed of its nodes; is it running, and the link up? `samara sites` shows since when"));
  SAMARA_ASSIGN_OR_RETURN(const Selector nodes, Selector::parse(wish.nodes));
  std::size_t here = 0;
  for (const auto& [name, node] : fleet.nodes()) {
    if (fleet.is_away(node, now)) continue;
    ++here;
    if (is_meant(wish, nodes, name, node)) return absl::OkStatus();
  }
  if (here == 0)
    return absl::NotFoundError("no node is here: samara-node tells the site of itself, see `samara nodes` and sites in node.toml");
  return absl::NotFoundError(str_cat("none of the ", here, " nodes is meant by \"", wish.nodes.empty() ? "all" : wish.nodes,
                                     wish.sites.empty() ? "\"" : "\" at those sites", "; labels here: ", known_labels(fleet)));
}

bool same_wishes(const WarmSpec& a, const WarmSpec& b) {
  const auto same = [](const WarmWish& x, const WarmWish& y) {
    return x.image == y.image && x.platform == y.platform && x.level == y.level && x.nodes == y.nodes && x.sites == y.sites &&
           x.deadline == y.deadline;
  };
  return a.plan == b.plan && a.pin == b.pin && std::equal(a.images.begin(), a.images.end(), b.images.begin(), b.images.end(), same);
}

peer::WarmTask task_of(const WarmImageState& image) {
  return {image.manifest, image.wish.level, image.phase == Phase::kLooking};
}

std::uint64_t number_of(std::string_view id) {
  std::uint64_t number = 0;
  if (id.starts_with('w')) std::from_chars(id.data() + 1, id.data() + id.size(), number);
  return number;
}

}  // namespace

// ---- from people ----

absl::Status Jobs::check(const WarmSpec& spec, const Fleet& fleet, Time now) {
  if (spec.images.empty()) return absl::InvalidArgumentError("no image is named");
  if (spec.images.size() > kMostImages) return absl::InvalidArgumentError(str_cat("more than ", kMostImages, " images in one job"));
  for (const WarmWish& wish : spec.images) SAMARA_RETURN_IF_ERROR(annotate(check_wish(wish, fleet, now), wish.image));
  return absl::OkStatus();
}

absl::Status Jobs::make_room() {
  while (jobs_.size() >= options_.max_jobs) {
    auto oldest = jobs_.end();
    for (auto at = jobs_.begin(); at != jobs_.end(); ++at)
      if (at->second.is_over() && (oldest == jobs_.end() || at->second.ended < oldest->second.ended)) oldest = at;
    if (oldest == jobs_.end()) return absl::ResourceExhaustedError(str_cat(jobs_.size(), " jobs run already: cancel some"));
    changed_.insert(oldest->first);
    chosen_from_.erase(oldest->first);
    for (auto& [node, places] : open_) std::erase_if(places, [&](const Place& place) { return place.first == oldest->first; });
    jobs_.erase(oldest);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Jobs::create(WarmSpec spec, const Fleet& fleet, Time now) {
  for (const auto& [id, job] : jobs_) {
    if (!spec.request.empty() && job.spec.request == spec.request) return id;
    if (!job.is_over() && same_wishes(job.spec, spec)) return id;
  }
  SAMARA_RETURN_IF_ERROR(check(spec, fleet, now));
  SAMARA_RETURN_IF_ERROR(make_room());
  Job job;
  job.id = str_cat("w", ++last_id_);
  job.created = job.started = now;
  for (const WarmWish& wish : spec.images) {
    WarmImageState image;
    image.wish = wish;
    image.since = now;
    job.images.push_back(std::move(image));
  }
  job.spec = std::move(spec);
  const std::string id = job.id;
  choose_nodes(jobs_[id] = std::move(job), fleet, now);
  changed_.insert(id);
  return id;
}

void Jobs::restore(Job job, Time now) {
  last_id_ = std::max(last_id_, number_of(job.id));
  const std::string id = job.id;
  Job& kept = jobs_[id] = std::move(job);
  for (std::size_t image = 0; image < kept.images.size(); ++image) {
    kept.images[image].since = now;
    for (auto& [node, item] : kept.images[image].items) {
      if (item.is_final()) continue;
      set_item(kept, image, node, State::kWaiting, now);
    }
  }
}

absl::Status Jobs::cancel(const std::string& id, Time now) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return absl::NotFoundError(str_cat("there is no job ", id, "; `samara jobs` lists them"));
  if (found->second.is_over()) return absl::FailedPreconditionError(str_cat(id, " is ", to_string(found->second.state), " already"));
  end(found->second, Job::State::kCancelled, "", now);
  return absl::OkStatus();
}

void Jobs::reopen(Job& job) {
  job.state = Job::State::kRunning;
  job.reason.clear();
  changed_.insert(job.id);
}

absl::Status Jobs::resume(const std::string& id, Time now) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return absl::NotFoundError(str_cat("there is no job ", id, "; `samara jobs` lists them"));
  Job& job = found->second;
  if (job.state != Job::State::kCancelled && job.state != Job::State::kRefused)
    return absl::FailedPreconditionError(str_cat(id, " is ", to_string(job.state), ": only what was cancelled or refused can be resumed"));
  job.started = now;
  for (WarmImageState& image : job.images) image.since = now;
  reopen(job);
  return absl::OkStatus();
}

absl::Status Jobs::retry(const std::string& id, Time now) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return absl::NotFoundError(str_cat("there is no job ", id, "; `samara jobs` lists them"));
  Job& job = found->second;
  if (!job.is_over()) return absl::FailedPreconditionError(str_cat(id, " still runs"));
  job.started = now;
  for (std::size_t i = 0; i < job.images.size(); ++i) {
    WarmImageState& image = job.images[i];
    for (auto& [node, item] : image.items) {
      if (item.state != State::kFailed) continue;
      item.missing.reset();
      item.done = 0;
      set_item(job, i, node, State::kWaiting, now);
    }
    if (image.phase == Phase::kFailed) enter(job, i, Phase::kResolving, now);
  }
  reopen(job);
  return absl::OkStatus();
}

const Job* Jobs::find(const std::string& id) const {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : &found->second;
}

Time Jobs::end_of_life(const Job& job) const {
  std::chrono::seconds life = std::max<std::chrono::seconds>(options_.least_life, job.spec.pin);
  for (const WarmImageState& image : job.images) life = std::max(life, image.wish.deadline);
  return job.started + life;
}

// ---- what images mean, and their conversion ----

std::vector<Jobs::Work> Jobs::work() const {
  std::vector<Work> work;
  for (const auto& [id, job] : jobs_) {
    if (job.is_over()) continue;
    for (std::size_t i = 0; i < job.images.size(); ++i) {
      const WarmImageState& image = job.images[i];
      if (image.phase == Phase::kResolving) work.push_back({id, i, image.wish, image.phase, std::nullopt});
      if (image.phase == Phase::kConverting) work.push_back({id, i, image.wish, image.phase, image.image});
    }
  }
  return work;
}

Job* Jobs::running(const std::string& id, std::size_t image, Phase phase) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end() || found->second.is_over() || image >= found->second.images.size()) return nullptr;
  return found->second.images[image].phase == phase ? &found->second : nullptr;
}

void Jobs::enter(Job& job, std::size_t image, Phase phase, Time now) {
  job.images[image].phase = phase;
  job.images[image].since = now;
  changed_.insert(job.id);
}

void Jobs::fail_image(Job& job, std::size_t image, std::string_view why, Time now) {
  enter(job, image, Phase::kFailed, now);
  job.images[image].error = why.substr(0, kMostErrorBytes);
  for (auto& [node, item] : job.images[image].items)
    if (!item.is_final()) set_item(job, image, node, State::kFailed, now, job.images[image].error);
}

void Jobs::resolved(const std::string& id, std::size_t image, absl::StatusOr<peer::WarmImage> found, Time now) {
  Job* const job = running(id, image, Phase::kResolving);
  if (job == nullptr) return;
  if (!found.ok()) return fail_image(*job, image, to_std(found.status().message()), now);
  WarmImageState& state = job->images[image];
  state.error.clear();
  state.manifest = found->digest;
  state.bytes = bytes_of(*found, state.wish.level);
  state.image = *std::move(found);
  enter(*job, image, Phase::kLooking, now);
}

void Jobs::converting(const std::string& id, std::size_t image, std::uint64_t done, std::uint64_t total) {
  Job* const job = running(id, image, Phase::kConverting);
  if (job == nullptr) return;
  job->images[image].converted = done;
  job->images[image].to_convert = total;
}

void Jobs::converted(const std::string& id, std::size_t image, absl::StatusOr<peer::WarmImage> found, Time now) {
  Job* const job = running(id, image, Phase::kConverting);
  if (job == nullptr) return;
  if (!found.ok()) return fail_image(*job, image, to_std(found.status().message()), now);
  WarmImageState& state = job->images[image];
  state.bytes = bytes_of(*found, state.wish.level);
  state.converted = state.to_convert;
  state.image = *std::move(found);
  enter(*job, image, Phase::kPlacing, now);
}

// ---- nodes ----

void Jobs::set_item(Job& job, std::size_t image, const std::string& node, State state, Time now, std::string_view error) {
  WarmItem& item = job.images[image].items[node];
  if (item.state != state || item.error != error) changed_.insert(job.id);
  item.state = state;
  item.since = now;
  item.error = error.substr(0, kMostErrorBytes);
  if (!item.is_final()) {
    open_[node].insert({job.id, image});
    return;
  }
  const auto open = open_.find(node);
  if (open == open_.end()) return;
  open->second.erase({job.id, image});
  if (open->second.empty()) open_.erase(open);
}

void Jobs::take_report(Job& job, std::size_t image, const std::string& node, const peer::WarmReport& report, Time now) {
  WarmImageState& state = job.images[image];
  WarmItem& item = state.items[node];
  item.away = false;
  if (report.task.look) {
    if (!report.is_final() || item.missing) return;
    const bool told = report.state == peer::WarmReport::State::kVerified && report.done <= report.total;
    item.missing = told ? report.total - report.done : state.bytes;
    return set_item(job, image, node, State::kWaiting, now);
  }
  item.done = std::min(report.done, report.total);
  item.total = report.total;
  State next = State::kWaiting;
  switch (report.state) {
    case peer::WarmReport::State::kWaiting: break;
    case peer::WarmReport::State::kFetching: next = State::kFetching; break;
    case peer::WarmReport::State::kVerifying: next = State::kVerifying; break;
    case peer::WarmReport::State::kVerified: next = State::kVerified; break;
    case peer::WarmReport::State::kFailed: next = State::kFailed; break;
  }
  if (next == item.state) return;
  set_item(job, image, node, next, now, next == State::kFailed ? std::string_view(report.error) : std::string_view());
}

void Jobs::heard(const std::string& node, const std::vector<peer::WarmReport>& reports, Time now) {
  const auto open = open_.find(node);
  if (open == open_.end() || reports.empty()) return;
  const std::set<Place> places = open->second;  // reports take some out of it
  for (const auto& [id, image] : places) {
    const auto job = jobs_.find(id);
    if (job == jobs_.end() || job->second.is_over()) continue;
    const WarmImageState& state = job->second.images[image];
    if (state.phase != Phase::kLooking && state.phase != Phase::kPlacing) continue;
    const auto report = std::find_if(reports.begin(), reports.end(), [task = task_of(state)](const auto& each) { return each.task == task; });
    if (report != reports.end()) take_report(job->second, image, node, *report, now);
  }
}

std::vector<peer::WarmOrder> Jobs::orders_for(const std::string& node) const {
  std::vector<peer::WarmOrder> orders;
  const auto open = open_.find(node);
  if (open == open_.end()) return orders;
  for (const auto& [id, image] : open->second) {
    const Job* const job = find(id);
    if (job == nullptr || job->is_over()) continue;
    const WarmImageState& state = job->images[image];
    if (state.phase != Phase::kLooking && state.phase != Phase::kPlacing) continue;
    if (state.phase == Phase::kLooking && state.items.at(node).missing) continue;
    const auto until = std::chrono::duration_cast<std::chrono::seconds>((job->started + job->spec.pin).time_since_epoch()).count();
    const peer::WarmOrder order{task_of(state), job->spec.pin.count() > 0 ? static_cast<std::uint64_t>(until) : 0};
    const auto same = std::find_if(orders.begin(), orders.end(), [&](const auto& each) { return each.task == order.task; });
    if (same != orders.end()) {
      same->pin_until = std::max(same->pin_until, order.pin_until);
    } else if (orders.size() < peer::kMostOrders) {
      orders.push_back(order);
    }
  }
  return orders;
}

const peer::WarmImage* Jobs::image_for(const std::string& node, const Digest& manifest) const {
  const auto open = open_.find(node);
  if (open == open_.end()) return nullptr;
  const peer::WarmImage* best = nullptr;  // one that is converted, if there is one
  for (const auto& [id, image] : open->second) {
    const Job* const job = find(id);
    if (job == nullptr || job->is_over() || job->images[image].manifest != manifest || !job->images[image].image) continue;
    if (best == nullptr || job->images[image].phase == Phase::kPlacing) best = &*job->images[image].image;
  }
  return best;
}

}  // namespace samara::seed
