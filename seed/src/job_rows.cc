#include "job_rows.h"

#include "base/status.h"
#include "base/text.h"
#include "seed_rows.pb.h"

namespace samara::seed {
namespace {

namespace kept = rows::v1;

std::int64_t seconds_of(Time time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}
Time time_of(std::int64_t seconds) { return Time(std::chrono::seconds(seconds)); }

void encode_wish(const WarmWish& wish, kept::Wish* out) {
  out->set_image(wish.image);
  out->set_platform(wish.platform);
  out->set_level(static_cast<std::uint32_t>(wish.level));
  out->set_nodes(wish.nodes);
  for (const std::string& site : wish.sites) out->add_sites(site);
  out->set_deadline(wish.deadline.count());
}

WarmWish decode_wish(const kept::Wish& row) {
  WarmWish wish;
  wish.image = row.image();
  wish.platform = row.platform();
  wish.level = static_cast<peer::WarmLevel>(row.level());
  wish.nodes = row.nodes();
  wish.sites.assign(row.sites().begin(), row.sites().end());
  wish.deadline = std::chrono::seconds(row.deadline());
  return wish;
}

void encode_item(const WarmItem& item, kept::Item* out) {
  out->set_state(static_cast<std::uint32_t>(item.state));
  out->set_site(item.site);
  out->set_away(item.away);
  if (item.missing) out->set_missing(*item.missing);
  out->set_done(item.done);
  out->set_total(item.total);
  out->set_error(item.error);
}

WarmItem decode_item(const kept::Item& row) {
  WarmItem item;
  item.state = static_cast<WarmItem::State>(row.state());
  item.site = row.site();
  item.away = row.away();
  if (row.has_missing()) item.missing = row.missing();
  item.done = row.done();
  item.total = row.total();
  item.error = row.error();
  return item;
}

void encode_image(const WarmImageState& image, kept::Image* out) {
  encode_wish(image.wish, out->mutable_wish());
  out->set_phase(static_cast<std::uint32_t>(image.phase));
  out->set_error(image.error);
  if (image.image) out->set_image(peer::encode(*image.image));
  out->set_bytes(image.bytes);
  out->set_to_convert(image.to_convert);
  for (const auto& [node, item] : image.items) encode_item(item, &(*out->mutable_items())[node]);
  for (const auto& [site, link] : image.links) {
    kept::Link& row = (*out->mutable_links())[site];
    row.set_lacks(link.lacks);
    row.set_rate(link.rate);
    row.set_day(link.day);
    row.set_today(link.today);
    row.set_to_midnight(link.to_midnight.count());
  }
}

absl::StatusOr<WarmImageState> decode_image(const kept::Image& row) {
  WarmImageState image;
  image.wish = decode_wish(row.wish());
  image.phase = static_cast<WarmImageState::Phase>(row.phase());
  image.error = row.error();
  image.bytes = row.bytes();
  image.to_convert = row.to_convert();
  for (const auto& [node, item] : row.items()) image.items[node] = decode_item(item);
  for (const auto& [site, link] : row.links())
    image.links[site] = {link.lacks(), link.rate(), link.day(), link.today(), std::chrono::seconds(link.to_midnight())};
  if (row.image().empty()) return image;
  SAMARA_ASSIGN_OR_RETURN(image.image, peer::decode_warm_image(row.image()));
  image.manifest = image.image->digest;
  return image;
}

// An enumeration of another version would be none of ours.
bool is_known(const kept::Job& row) {
  bool known = row.state() <= static_cast<std::uint32_t>(Job::State::kCancelled);
  for (const kept::Image& image : row.images()) {
    known = known && image.phase() <= static_cast<std::uint32_t>(WarmImageState::Phase::kFailed) &&
            image.wish().level() <= static_cast<std::uint32_t>(peer::WarmLevel::kFull);
    for (const auto& [node, item] : image.items()) known = known && item.state() <= static_cast<std::uint32_t>(WarmItem::State::kFailed);
  }
  return known;
}

}  // namespace

std::string encode_job(const Job& job) {
  kept::Job row;
  for (const WarmImageState& image : job.images) encode_image(image, row.add_images());
  row.set_pin(job.spec.pin.count());
  row.set_plan(job.spec.plan);
  row.set_request(job.spec.request);
  row.set_by(job.spec.by);
  row.set_state(static_cast<std::uint32_t>(job.state));
  row.set_reason(job.reason);
  row.set_created(seconds_of(job.created));
  row.set_started(seconds_of(job.started));
  row.set_ended(seconds_of(job.ended));
  return row.SerializeAsString();
}

absl::StatusOr<Job> decode_job(std::string_view id, std::string_view row_bytes) {
  kept::Job row;
  if (!row.ParseFromArray(row_bytes.data(), static_cast<int>(row_bytes.size())) || !is_known(row))
    return absl::DataLossError(str_cat("the row of the job ", id, " can't be read"));
  Job job;
  job.id = id;
  job.state = static_cast<Job::State>(row.state());
  job.reason = row.reason();
  job.created = time_of(row.created());
  job.started = time_of(row.started());
  job.ended = time_of(row.ended());
  job.spec.pin = std::chrono::seconds(row.pin());
  job.spec.plan = row.plan();
  job.spec.request = row.request();
  job.spec.by = row.by();
  for (const kept::Image& image : row.images()) {
    absl::StatusOr<WarmImageState> decoded = decode_image(image);
    if (!decoded.ok()) return absl::DataLossError(str_cat("the row of the job ", id, ": ", to_std(decoded.status().message())));
    job.spec.images.push_back(decoded->wish);
    job.images.push_back(*std::move(decoded));
  }
  return job;
}

}  // namespace samara::seed
