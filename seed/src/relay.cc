#include "seed/relay.h"

#include <algorithm>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::seed {
namespace {

using peer::WarmReport;
using peer::WarmTask;

constexpr Relay::Duration kAnew{100};  // until all is told again

constexpr Relay::Duration kShortestWait{100};  // whatever the parent says

bool has_task(const std::vector<peer::WarmOrder>& orders, const WarmTask& task) {
  return std::any_of(orders.begin(), orders.end(), [&](const auto& order) { return order.task == task; });
}

}  // namespace

Relay::Relay(Parts parts, const Options& options)
    : parts_(std::move(parts)), options_(options), random_(options.seed), pool_(std::make_unique<ThreadPool>("relay", 2)) {}

void Relay::start() {
  thread_ = std::thread([this] { run(); });
}

void Relay::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  pool_.reset();
  parts_.warming.set_far(parts_.from, {});
}

void Relay::run() {
  while (true) {
    const Duration wait = std::max(step(), kShortestWait);
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, wait, [this] { return stopping_; });
    if (stopping_) return;
  }
}

void Relay::wait_idle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return under_way_ == 0; });
}

Relay::Duration Relay::step() {
  const absl::Status told = tell_all();
  prepare_images();
  pass_on();
  Duration wait = beat_;
  if (told.ok()) {
    failures_ = 0;
  } else {
    // One that takes no sites below it, or another's name, may change as much as a link may.
    if (failures_++ == 0) log::warning("the parent's seed can't be told of this site's nodes", {{"parent", parts_.from}, {"error", told}});
    wait = std::min(options_.longest_retry, options_.first_retry * (1 << std::min(failures_ - 1, 10)));
  }
  std::uniform_real_distribution<double> share(0.8, 1.2);
  return std::chrono::duration_cast<Duration>(wait * share(random_));
}

// ---- to the parent ----

peer::SiteBeat Relay::about_us() const {
  peer::SiteBeat beat;
  parts_.describe(beat);
  const std::lock_guard lock(mutex_);
  for (const auto& [manifest, image] : images_)
    if (image->image && image->total > 0 && beat.self.reports.size() < peer::kMostReports)
      beat.self.reports.push_back({{manifest, peer::WarmLevel::kFull, true}, WarmReport::State::kVerified, image->total - image->lacks, image->total, ""});
  return beat;
}

/// What a node says of this parent's orders, and of no others.
void Relay::filter_reports(peer::SiteBeat::Node& node) {
  const std::lock_guard lock(mutex_);
  const auto orders = orders_.find(node.name);
  std::vector<WarmReport> reports;
  for (WarmReport& report : node.beat.reports) {
    if (orders == orders_.end() || !has_task(orders->second, report.task)) continue;
    const auto image = images_.find(report.task.manifest);
    const bool partly_here = image != images_.end() && image->second->lacks > 0;
    if (report.state == WarmReport::State::kFailed && partly_here) {
      const auto [at, is_new] = paused_.try_emplace({node.name, report.task}, parts_.clock.now() + options_.pause);
      if (is_new) log::info("a node waits until more of an image has come", {{"node", node.name}, {"error", report.error}});
      report.state = WarmReport::State::kWaiting;
      report.error.clear();
    }
    reports.push_back(std::move(report));
  }
  for (const auto& order : orders == orders_.end() ? std::vector<peer::WarmOrder>() : orders->second) {
    const auto image = images_.find(order.task.manifest);
    if (image == images_.end() || image->second->failures < options_.tries) continue;
    reports.push_back({order.task, WarmReport::State::kFailed, 0, 0, str_cat("at its site: ", image->second->error)});
  }
  node.beat.reports = std::move(reports);
}

std::vector<peer::SiteBeat> Relay::pages() {
  const peer::SiteBeat about = about_us();
  std::vector<peer::SiteBeat> pages = {about};
  std::size_t bytes = to_query(about).size();
  std::map<std::string, std::string> told;
  for (peer::SiteBeat::Node& node : parts_.warming.nodes_here()) {
    filter_reports(node);
    std::string text = str_cat(node.address, peer::to_query(node.beat, peer::kMaxRelayedBytes));
    const auto before = told_.find(node.name);
    const bool same = before != told_.end() && before->second == text;
    const std::size_t size = same ? http::percent_encode(node.name).size() + 7 : peer::relayed_size(node);
    if (bytes + size > options_.page_bytes || pages.back().nodes.size() + pages.back().same.size() >= peer::kMostBeatNodes) {
      pages.push_back(about);
      bytes = to_query(about).size();
    }
    bytes += size;
    told[node.name] = std::move(text);
    if (same) {
      pages.back().same.push_back(std::move(node.name));
    } else {
      pages.back().nodes.push_back(std::move(node));
    }
  }
  told_ = std::move(told);
  return pages;
}

absl::Status Relay::tell_all() {
  for (const peer::SiteBeat& page : pages()) {
    const absl::StatusOr<peer::SiteBeatAnswer> answer = parts_.tell(page);
    if (!answer.ok()) {
      told_.clear();  // what was told of it isn't known
      return answer.status();
    }
    beat_ = answer->beat;
    if (answer->epoch != epoch_) {  // it was started anew: all of it again
      epoch_ = answer->epoch;
      told_.clear();
      beat_ = kAnew;
    }
    take_orders(answer->orders);
  }
  return absl::OkStatus();
}

void Relay::take_orders(const std::map<std::string, std::vector<peer::WarmOrder>>& orders) {
  const std::lock_guard lock(mutex_);
  orders_ = orders;
  std::map<Digest, ImagePtr> images;
  for (const auto& [node, list] : orders_)
    for (const peer::WarmOrder& order : list) {
      ImagePtr& image = images[order.task.manifest];
      const auto known = images_.find(order.task.manifest);
      if (!image) image = known == images_.end() ? std::make_shared<Image>() : known->second;
      image->node = node;
      image->wanted = image->wanted || !order.task.look;
    }
  images_ = std::move(images);
  std::erase_if(paused_, [&](const auto& entry) {
    const auto list = orders_.find(entry.first.first);
    return list == orders_.end() || !has_task(list->second, entry.first.second) || parts_.clock.now() >= entry.second;
  });
}

// ---- images, here ----

void Relay::prepare_images() {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  for (const auto& [manifest, image] : images_) {
    const bool all_here = image->complete && image->lacks == 0;
    const bool needed = !image->image || (image->wanted && !all_here);
    if (!needed || image->under_way || parts_.clock.now() < image->next) continue;
    image->under_way = true;
    ++under_way_;
    pool_->run([this, manifest = manifest, image = image] { prepare(manifest, image); });
  }
}

void Relay::prepare(const Digest& manifest, const ImagePtr& image) {
  Image work;
  {
    const std::lock_guard lock(mutex_);
    work = *image;
  }
  const absl::Status done = work_on(manifest, work);
  const std::lock_guard lock(mutex_);
  image->image = work.image;
  image->resolved = work.resolved;
  image->complete = work.complete;
  image->lacks = work.lacks;
  image->total = work.total;
  image->next = parts_.clock.now() + options_.look_again;
  if (done.ok()) {
    image->failures = 0;
  } else {
    if (image->error != to_std(done.message()))
      log::info("an image that the parent orders isn't to be had yet", {{"manifest", manifest.to_string()}, {"error", done}});
    image->error = std::string(done.message());
    // A link that is cut, or whose budget is used up, is waited for.
    if (!absl::IsUnavailable(done) && !absl::IsDeadlineExceeded(done) && !absl::IsResourceExhausted(done)) ++image->failures;
  }
  image->under_way = false;
  --under_way_;
  changed_.notify_all();
}

absl::Status Relay::work_on(const Digest& manifest, Image& work) {
  if (!work.image) {
    SAMARA_ASSIGN_OR_RETURN(peer::WarmImage fetched, parts_.fetch(work.node, manifest));
    work.image = std::make_shared<const peer::WarmImage>(std::move(fetched));
  }
  work.total = bytes_of(*work.image, peer::WarmLevel::kFull);
  work.lacks = std::min(work.total, parts_.images.lacking(*work.image));
  if (!work.wanted) return absl::OkStatus();
  WarmWish wish;
  wish.image = str_cat(work.image->registry, "/", work.image->repository, "@", manifest.to_string());
  if (!work.resolved) {
    // By its digest: what the name means here just now may be something else.
    SAMARA_ASSIGN_OR_RETURN(peer::WarmImage own, parts_.images.resolve(wish));
    own.name = work.image->name;
    own.index = work.image->index;
    own.index_media_type = work.image->index_media_type;
    own.trace_bytes = std::max(own.trace_bytes, work.image->trace_bytes);
    work.image = std::make_shared<const peer::WarmImage>(std::move(own));
    work.resolved = true;
  }
  if (work.complete) return absl::OkStatus();
  SAMARA_ASSIGN_OR_RETURN(ImageSource::Progress progress, parts_.images.convert(wish, *work.image));
  if (!progress.complete) return absl::OkStatus();
  work.image = std::make_shared<const peer::WarmImage>(std::move(progress.image));
  work.complete = true;
  return absl::OkStatus();
}

// ---- to the nodes ----

void Relay::pass_on() {
  Warming::Far far;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [manifest, image] : images_)
      if (image->image) far.images[manifest] = image->image;
    for (const auto& [node, orders] : orders_)
      for (const peer::WarmOrder& order : orders) {
        const auto image = images_.find(order.task.manifest);
        const bool ready = image != images_.end() && image->second->image && (order.task.look || image->second->complete);
        if (ready && !paused_.contains({node, order.task})) far.orders[node].push_back(order);
      }
  }
  parts_.warming.set_far(parts_.from, std::move(far));
}

}  // namespace samara::seed
