#include "seed/warming.h"

#include <algorithm>
#include <random>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "job_rows.h"

namespace samara::seed {
namespace {

// The more nodes there are, the less often each is heard: this many a second, all together.
constexpr std::size_t kMostBeatsASecond = 500;

int http_status(const absl::Status& status) {
  if (status.ok()) return 200;
  if (absl::IsInvalidArgument(status)) return 400;
  if (absl::IsAlreadyExists(status)) return 409;
  if (absl::IsResourceExhausted(status)) return 507;
  return absl::IsNotFound(status) ? 404 : 403;
}

void answer(http::ResponseWriter& out, const absl::Status& status, std::string_view text) {
  // A client that left needs no answer.
  (void)out.respond(http_status(status), status.ok() ? std::string(text) : str_cat(to_std(status.message()), "\n"), "text/plain");
}

}  // namespace

std::vector<std::string> Warming::tables() { return {std::string(kJobsTable)}; }

Warming::Warming(cache_index::Store& store, ImageSource& images, const Clock& clock, Metrics& metrics, Options options)
    : store_(store),
      images_(images),
      clock_(clock),
      options_(std::move(options)),
      nodes_here_(metrics.gauge("samara_seed_nodes", "Nodes that were heard of lately.")),
      jobs_running_(metrics.gauge("samara_seed_jobs_running", "Warm jobs that aren't over.")),
      beats_(metrics.counter("samara_seed_heartbeats_total", "Heartbeats of nodes.")),
      fleet_(options_.fleet),
      jobs_(options_.jobs),
      epoch_((std::uint64_t{std::random_device{}()} << 32) + std::random_device{}()),
      pool_(std::make_unique<ThreadPool>("warm", options_.threads)) {}

Warming::~Warming() { stop(); }

absl::Status Warming::start() {
  SAMARA_RETURN_IF_ERROR(store_.scan(kJobsTable, "", [&](std::string_view id, std::string_view row) {
    absl::StatusOr<Job> job = decode_job(id, row);
    if (job.ok()) {
      jobs_.restore(*std::move(job), clock_.wall_now());
    } else {
      log::warning("a warm job is left out", {{"error", job.status()}});
    }
    return true;
  }));
  thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
  return absl::OkStatus();
}

void Warming::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    ticked_.notify_all();
  }
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  pool_.reset();  // what it was about is done, and told
  save();
}

void Warming::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    step();
    std::unique_lock lock(mutex_);
    ticked_.wait_for(lock, options_.tick, [&] { return stopping_; });
  }
}

void Warming::step() {
  std::vector<Jobs::Work> work;
  {
    const std::lock_guard lock(mutex_);
    const Time now = clock_.wall_now();
    fleet_.sweep(now);
    jobs_.tick(fleet_, now);
    if (!stopping_) work = jobs_.work();
    std::erase_if(work, [&](const Jobs::Work& each) { return !under_way_.insert({each.job, each.image}).second; });
    const auto here = std::count_if(fleet_.nodes().begin(), fleet_.nodes().end(), [&](const auto& node) { return !fleet_.is_away(node.second, now); });
    nodes_here_.set(static_cast<double>(here));
    const auto running = std::count_if(jobs_.all().begin(), jobs_.all().end(), [](const auto& job) { return !job.second.is_over(); });
    jobs_running_.set(static_cast<double>(running));
    ++ticks_;
    ticked_.notify_all();
  }
  for (Jobs::Work& each : work) pool_->run([this, each = std::move(each)] { do_work(each); });
  save();
}

void Warming::wait_idle() {
  std::unique_lock lock(mutex_);
  ticked_.wait(lock, [&] { return under_way_.empty(); });
}

void Warming::do_work(const Jobs::Work& work) {
  absl::StatusOr<peer::WarmImage> resolved = absl::CancelledError("not asked");
  absl::StatusOr<ImageSource::Progress> progress = absl::CancelledError("not asked");
  const bool resolving = work.phase == WarmImageState::Phase::kResolving;
  if (resolving) {
    resolved = images_.resolve(work.wish);
  } else {
    progress = images_.convert(work.wish, *work.known);
  }
  const std::lock_guard lock(mutex_);
  under_way_.erase({work.job, work.image});
  ticked_.notify_all();
  if (stopping_) return;
  const Time now = clock_.wall_now();
  if (resolving) return jobs_.resolved(work.job, work.image, std::move(resolved), now);
  if (!progress.ok()) return jobs_.converted(work.job, work.image, progress.status(), now);
  jobs_.converting(work.job, work.image, progress->done, progress->total);
  if (progress->complete) jobs_.converted(work.job, work.image, std::move(progress->image), now);
}

void Warming::save() {
  const std::lock_guard saving(saving_);
  std::vector<cache_index::Store::Change> changes;
  {
    const std::lock_guard lock(mutex_);
    for (const std::string& id : jobs_.take_changed()) {
      const Job* const job = jobs_.find(id);
      changes.push_back({std::string(kJobsTable), id, job == nullptr ? std::nullopt : std::optional(encode_job(*job))});
    }
  }
  if (changes.empty()) return;
  // What isn't kept is done again after a restart: nodes say what they have.
  if (const absl::Status kept = store_.write(changes); !kept.ok()) log::warning("warm jobs can't be kept", {{"error", kept}});
}

absl::StatusOr<std::string> Warming::warm(WarmSpec spec) {
  absl::StatusOr<std::string> id = absl::UnavailableError("the seed stops");
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return id;
    id = jobs_.create(std::move(spec), fleet_, clock_.wall_now());
  }
  if (id.ok()) save();  // acknowledged means kept
  return id;
}

absl::Status Warming::change(const std::string& job, Change change) {
  absl::Status changed;
  {
    const std::lock_guard lock(mutex_);
    const Time now = clock_.wall_now();
    switch (change) {
      case Change::kCancel: changed = jobs_.cancel(job, now); break;
      case Change::kResume: changed = jobs_.resume(job, now); break;
      case Change::kRetry: changed = jobs_.retry(job, now); break;
    }
  }
  if (changed.ok()) save();
  return changed;
}

void Warming::look(const std::function<void(const Fleet&, const Jobs&, Time now)>& look) const {
  const std::lock_guard lock(mutex_);
  look(fleet_, jobs_, clock_.wall_now());
}

bool Warming::wait_for_tick(std::uint64_t& seen, std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  ticked_.wait_for(lock, patience, [&] { return stopping_ || ticks_ > seen; });
  seen = ticks_;
  return !stopping_;
}

// ---- what nodes ask ----

bool Warming::handle(const http::Request& request, http::ResponseWriter& out) {
  const std::string& path = request.target.path;
  if (path == peer::kHeartbeatPath) {
    answer_heartbeat(request, out);
  } else if (path == peer::kSiteBeatPath) {
    answer_site_beat(request, out);
  } else if (path.starts_with(peer::kWarmPath)) {
    answer_image(request, out);
  } else {
    return false;
  }
  return true;
}

namespace {

/// What a heartbeat is answered with: that, or why it isn't taken.
template <typename Beat, typename Take>
void answer_beat(const http::Request& request, http::ResponseWriter& out, const absl::StatusOr<Beat>& beat, const Take& take) {
  if (request.method != "POST") {
    out.header("Allow", "POST");
    (void)out.respond(405, "only POST\n", "text/plain");  // a client that left needs no answer
    return;
  }
  if (!beat.ok()) return answer(out, beat.status(), "");
  const auto told = take(*beat);
  answer(out, told.status(), told.ok() ? peer::encode(*told) : "");
}

}  // namespace

void Warming::answer_heartbeat(const http::Request& request, http::ResponseWriter& out) {
  answer_beat(request, out, peer::heartbeat_from(request.target), [&](const peer::Heartbeat& beat) { return take(beat, request); });
}

void Warming::answer_site_beat(const http::Request& request, http::ResponseWriter& out) {
  answer_beat(request, out, peer::site_beat_from(request.target), [&](const peer::SiteBeat& beat) { return take(beat, request); });
}

absl::StatusOr<peer::HeartbeatAnswer> Warming::take(peer::Heartbeat beat, const http::Request& request) {
  beats_.add();
  const std::string name = beat.name;
  std::vector<peer::WarmReport> reports = std::move(beat.reports);
  const std::lock_guard lock(mutex_);
  const Time now = clock_.wall_now();
  SAMARA_RETURN_IF_ERROR(fleet_.heard(std::move(beat), http::host_of_peer(request.peer), request.client, now));
  heard_locked(name, std::move(reports), now);
  peer::HeartbeatAnswer told;
  told.orders = orders_locked(name);
  told.beat = beat_locked(!told.orders.empty());
  return told;
}

absl::StatusOr<peer::SiteBeatAnswer> Warming::take(peer::SiteBeat beat, const http::Request& request) {
  beats_.add();
  const std::string site = beat.self.name;
  std::vector<std::pair<std::string, std::vector<peer::WarmReport>>> reports;
  for (peer::SiteBeat::Node& node : beat.nodes) reports.emplace_back(str_cat(site, "/", node.name), std::move(node.beat.reports));
  const std::lock_guard lock(mutex_);
  const Time now = clock_.wall_now();
  SAMARA_RETURN_IF_ERROR(fleet_.heard_site(std::move(beat), http::host_of_peer(request.peer), request.client, now));
  for (auto& [node, said] : reports) heard_locked(node, std::move(said), now);
  peer::SiteBeatAnswer told;
  const std::string prefix = str_cat(site, "/");
  for (auto node = fleet_.nodes().lower_bound(prefix); node != fleet_.nodes().end() && node->first.starts_with(prefix); ++node)
    if (auto orders = orders_locked(node->first); !orders.empty()) told.orders[node->first.substr(prefix.size())] = std::move(orders);
  told.beat = beat_locked(!told.orders.empty());
  told.epoch = epoch_;
  return told;
}

std::chrono::milliseconds Warming::beat_locked(bool busy) const {
  const std::chrono::milliseconds all(fleet_.nodes().size() * 1000 / kMostBeatsASecond);
  return std::max(all, busy ? options_.busy_beat : options_.idle_beat);
}

void Warming::heard_locked(const std::string& node, std::vector<peer::WarmReport> reports, Time now) {
  jobs_.heard(node, reports, now);
  const bool far = std::any_of(far_.begin(), far_.end(), [&](const auto& from) { return from.second.orders.contains(node); });
  if (far) {
    reports_[node] = std::move(reports);
  } else {
    reports_.erase(node);
  }
}

std::vector<peer::WarmOrder> Warming::orders_locked(const std::string& node) const {
  std::vector<peer::WarmOrder> orders = jobs_.orders_for(node);
  for (const auto& [from, far] : far_) {
    const auto more = far.orders.find(node);
    if (more == far.orders.end()) continue;
    for (const peer::WarmOrder& order : more->second) {
      const auto same = std::find_if(orders.begin(), orders.end(), [&](const auto& each) { return each.task == order.task; });
      if (same != orders.end()) {
        same->pin_until = std::max(same->pin_until, order.pin_until);
      } else if (orders.size() < peer::kMostOrders) {
        orders.push_back(order);
      }
    }
  }
  return orders;
}

std::shared_ptr<const peer::WarmImage> Warming::far_image_locked(const std::string& node, const Digest& manifest) const {
  for (const auto& [from, far] : far_) {
    const auto orders = far.orders.find(node);
    const auto image = far.images.find(manifest);
    if (orders == far.orders.end() || image == far.images.end()) continue;
    for (const peer::WarmOrder& order : orders->second)
      if (order.task.manifest == manifest) return image->second;
  }
  return nullptr;
}

// ---- what the site above orders ----

void Warming::set_far(const std::string& from, Far far) {
  const std::lock_guard lock(mutex_);
  if (far.orders.empty()) {
    far_.erase(from);
  } else {
    far_[from] = std::move(far);
  }
}

std::vector<peer::SiteBeat::Node> Warming::nodes_here() const {
  std::vector<peer::SiteBeat::Node> nodes;
  const std::lock_guard lock(mutex_);
  const Time now = clock_.wall_now();
  for (const auto& [name, node] : fleet_.nodes()) {
    if (fleet_.is_away(node, now)) continue;
    peer::SiteBeat::Node one{name, node.address, node.last};
    one.beat.site = node.site == fleet_.options().site ? "" : node.site;
    if (const auto reports = reports_.find(name); reports != reports_.end()) one.beat.reports = reports->second;
    nodes.push_back(std::move(one));
  }
  return nodes;
}

void Warming::answer_image(const http::Request& request, http::ResponseWriter& out) {
  const absl::StatusOr<Digest> manifest = Digest::parse(std::string_view(request.target.path).substr(peer::kWarmPath.size()));
  if (!manifest.ok()) return answer(out, manifest.status(), "");
  const std::string node(request.target.query_value("node"));
  std::string text;
  absl::Status status = absl::NotFoundError("this node has no order for that image");
  {
    const std::lock_guard lock(mutex_);
    const Fleet::Node* const known = fleet_.find(node);
    const bool is_the_node = known != nullptr && known->sender == http::host_of_peer(request.peer) && known->client == request.client;
    const peer::WarmImage* image = is_the_node ? jobs_.image_for(node, *manifest) : nullptr;
    const auto far = is_the_node ? far_image_locked(node, *manifest) : nullptr;
    // This site's own job may not have it converted yet.
    if (far != nullptr && (image == nullptr || bytes_to_convert(*image) > 0)) image = far.get();
    if (image != nullptr) {
      text = peer::encode(*image);
      status = absl::OkStatus();
    }
  }
  answer(out, status, text);
}

}  // namespace samara::seed
