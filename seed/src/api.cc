#include "api.h"

#include "base/status.h"
#include "base/text.h"

namespace samara::seed {
namespace {

namespace api = seed::v1;

constexpr std::uint64_t kLongest = 366ull * 24 * 3600;

std::uint64_t seconds_of(Time time) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count());
}

void set_counts(const WarmCounts& counts, api::Counts* out) {
  out->set_nodes(static_cast<std::uint32_t>(counts.nodes));
  out->set_verified(static_cast<std::uint32_t>(counts.verified));
  out->set_failed(static_cast<std::uint32_t>(counts.failed));
  out->set_away(static_cast<std::uint32_t>(counts.away));
  out->set_bytes_done(counts.done);
  out->set_bytes_total(counts.total);
}

void set_item(const std::string& node, const WarmItem& item, const WarmImageState& image, api::Item* out) {
  out->set_node(node);
  out->set_site(item.site);
  const bool looks = image.phase == WarmImageState::Phase::kLooking && !item.missing && !item.is_final();
  out->set_state(std::string(to_string(looks ? WarmItem::State::kLooking : item.state)));
  out->set_away(item.away);
  out->set_bytes_missing(item.missing.value_or(image.bytes));
  out->set_bytes_done(item.done);
  out->set_bytes_total(item.total);
  out->set_error(item.error);
}

void set_image(const WarmImageState& image, Items items, api::Image* out) {
  api::WarmWish* const wish = out->mutable_wish();
  wish->set_image(image.wish.image);
  wish->set_platform(image.wish.platform);
  wish->set_level(std::string(peer::to_string(image.wish.level)));
  wish->set_nodes(image.wish.nodes);
  for (const std::string& site : image.wish.sites) wish->add_sites(site);
  wish->set_deadline_seconds(static_cast<std::uint64_t>(image.wish.deadline.count()));
  out->set_phase(std::string(to_string(image.phase)));
  out->set_error(image.error);
  if (!image.manifest.is_null()) out->set_manifest(image.manifest.to_string());
  out->set_bytes(image.bytes);
  out->set_bytes_converted(image.converted);
  out->set_bytes_to_convert(image.to_convert);
  set_counts(count(image), out->mutable_counts());
  for (const auto& [site, counts] : count_by_site(image)) {
    api::SiteCounts* const one = out->add_sites();
    one->set_site(site);
    set_counts(counts, one->mutable_counts());
  }
  if (items == Items::kNo) return;
  for (const auto& [node, item] : image.items) set_item(node, item, image, out->add_items());
}

void set_estimate(const Estimate& estimate, api::Estimate* out) {
  out->set_to_nodes(estimate.to_nodes);
  out->set_largest_node(estimate.largest_node);
  out->set_out_of_site(estimate.out_of_site);
  out->set_from_upstream(estimate.from_upstream);
  out->set_seconds(estimate.seconds);
  out->set_bound_by(estimate.bound_by);
  for (const auto& [site, bytes] : estimate.to_site) (*out->mutable_to_site())[site] = bytes;
  for (const auto& [site, link] : estimate.links) {
    api::Link& one = (*out->mutable_links())[site];
    one.set_bytes(link.bytes);
    one.set_seconds(link.seconds);
    one.set_rate(link.rate);
    one.set_day(link.day);
    one.set_left_today(link.left_today);
  }
}

std::uint64_t seconds_since(Time then, Time now) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(now - then).count()));
}

void set_below(const Fleet::Child& child, bool away, Time now, api::Site* out) {
  out->set_below(true);
  out->set_away(away);
  out->set_version(child.last.self.version);
  out->set_heard_seconds_ago(seconds_since(child.last_heard, now));
  out->set_link_rate(child.last.link_rate);
  out->set_link_day(child.last.link_day);
  out->set_link_today(child.last.link_today);
  out->set_site_disk_used(child.last.self.disk_used);
}

}  // namespace

void set_job(const Job& job, const Jobs& jobs, Items items, api::Job* out) {
  out->set_id(job.id);
  out->set_state(std::string(to_string(job.state)));
  out->set_reason(job.reason);
  out->set_plan(job.spec.plan);
  out->set_by(job.spec.by);
  out->set_created(seconds_of(job.created));
  if (job.is_over()) out->set_ended(seconds_of(job.ended));
  out->set_life_ends(seconds_of(jobs.end_of_life(job)));
  out->set_pin_seconds(static_cast<std::uint64_t>(job.spec.pin.count()));
  set_counts(count(job), out->mutable_counts());
  set_estimate(jobs.estimate(job), out->mutable_estimate());
  for (const WarmImageState& image : job.images) set_image(image, items, out->add_images());
}

void set_node(const std::string& name, const Fleet::Node& node, const Fleet& fleet, Time now, api::Node* out) {
  out->set_name(name);
  out->set_site(node.site);
  out->set_address(node.address);
  out->set_version(node.last.version);
  out->mutable_labels()->insert(node.last.labels.begin(), node.last.labels.end());
  out->set_away(fleet.is_away(node, now));
  out->set_heard_seconds_ago(seconds_since(node.last_heard, now));
  out->set_disk_used(node.last.disk_used);
  out->set_disk_limit(node.last.disk_limit);
  out->set_disk_pinned(node.last.disk_pinned);
  out->set_layers(node.last.layers);
  out->set_slow_reads(node.last.slow_reads);
  out->set_waiting_reads(node.last.waiting_reads);
  out->set_slowest_read_ms(node.last.slowest_read_ms);
  out->set_starts(node.last.starts);
  out->set_start_ms(node.last.start_ms);
  out->set_longest_start_ms(node.last.longest_start_ms);
  out->set_from_site(node.last.from_site);
  out->set_from_swarm(node.last.from_swarm);
  out->set_from_neighbours(node.last.from_neighbours);
}

void set_sites(const Fleet& fleet, std::string_view version, Time now, api::SitesResponse* out) {
  for (const auto& [name, site] : fleet.sites(now)) {
    api::Site* const one = out->add_sites();
    one->set_name(name);
    one->set_own(name == fleet.options().site);
    if (one->own()) one->set_version(std::string(version));
    one->set_nodes(static_cast<std::uint32_t>(site.nodes));
    one->set_nodes_away(static_cast<std::uint32_t>(site.away));
    one->set_disk_used(site.disk_used);
    one->set_disk_limit(site.disk_limit);
    one->set_from_site(site.from_site);
    one->set_from_swarm(site.from_swarm);
    one->set_from_neighbours(site.from_neighbours);
    one->set_slow_reads(site.slow_reads);
    one->set_waiting_reads(site.waiting_reads);
    one->set_slowest_read_ms(site.slowest_read_ms);
    one->set_starts(site.starts);
    one->set_start_ms(site.start_ms);
    one->set_longest_start_ms(site.longest_start_ms);
    if (site.child != nullptr) set_below(*site.child, fleet.is_cut(str_cat(name, "/"), now), now, one);
  }
}

absl::StatusOr<WarmSpec> spec_of(const api::WarmRequest& request) {
  WarmSpec spec;
  if (request.wishes_size() > static_cast<int>(kMostImages))
    return absl::InvalidArgumentError(str_cat("more than ", kMostImages, " images in one job"));
  for (const api::WarmWish& each : request.wishes()) {
    WarmWish wish;
    wish.image = each.image();
    wish.platform = each.platform();
    SAMARA_ASSIGN_OR_RETURN(wish.level, peer::parse_warm_level(each.level().empty() ? "full" : std::string_view(each.level())));
    wish.nodes = each.nodes();
    wish.sites.assign(each.sites().begin(), each.sites().end());
    if (each.deadline_seconds() > kLongest) return absl::InvalidArgumentError("a deadline of more than a year");
    wish.deadline = std::chrono::seconds(each.deadline_seconds());
    spec.images.push_back(std::move(wish));
  }
  if (request.pin_seconds() > kLongest) return absl::InvalidArgumentError("a pin for more than a year");
  spec.pin = std::chrono::seconds(request.pin_seconds());
  spec.plan = request.plan();
  spec.request = request.request().substr(0, 128);
  spec.by = request.by().substr(0, 256);
  return spec;
}

}  // namespace samara::seed
