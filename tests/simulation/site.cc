#include "site.h"

#include <algorithm>

#include "base/text.h"
#include "peer/seats.h"

namespace samara::simulation {
namespace {

/// Chunks on their way over a link at once: 2 MiB, more than bandwidth times delay of 100 Mbit/s and 100 ms.
constexpr std::size_t kUnderWay = 8;
/// So long the background waits for what is more urgent (registry-proxy/docs/sites.md).
constexpr std::chrono::seconds kStandsStill{1};

double bytes_a_second(double mbit) { return mbit * 1e6 / 8; }

}  // namespace

Site::Site(Timeline& timeline, const Scenario& scenario, const Image& image, Machine& centre, const Options& options)
    : timeline_(timeline),
      scenario_(scenario),
      image_(image),
      centre_(centre),
      options_(options),
      machine_(std::make_unique<Machine>(timeline, bytes_a_second(scenario.seed_mbit), std::chrono::microseconds(100))),
      link_(timeline, bytes_a_second(options.link_mbit)),
      has_(image.chunks(), options.has_image),
      states_(image.chunks(), options.has_image ? State::kHere : State::kAbsent) {
  open();
}

void Site::open() {
  const auto seed = scenario_.seed * 1'000 + static_cast<std::uint64_t>(options_.number * 10 + ++lives_);
  readers_ = std::make_unique<seed::BlobReaders>(seed::BlobReaders::Options{});
  tracker_ = std::make_unique<seed::Tracker>(timeline_, seed::Tracker::Options{}, seed);
  grants_ = std::make_unique<seed::Grants>(str_cat("secret of life ", lives_, " of site ", options_.number), timeline_);
  for (const ImageLayer& layer : image_.layers()) tracker_->open(swarm_of(layer));
}

void Site::die() {
  machine_->die();
  link_.lose_all();
  urgent_.clear();
  here_.clear();
  waiting_ = under_way_ = urgent_under_way_ = 0;
  for (State& state : states_) {
    if (state == State::kAsked) state = State::kAbsent;
  }
}

void Site::restart() {
  machine_->revive();
  open();
  next_ = 0;
  pull();
}

void Site::begin_image() {
  if (std::exchange(wanted_, true)) return;
  pull();
}

void Site::when_here(ChunkNumber chunk, std::function<void()> here) {
  if (has_[chunk]) return here();
  here_[chunk].push_back(std::move(here));
  most_waiting_ = std::max(most_waiting_, ++waiting_);
  if (states_[chunk] != State::kAbsent) return;
  urgent_.push_back(chunk);
  pull();
}

bool Site::has_seat(ChunkNumber chunk) const {
  const auto it = here_.find(chunk);
  return has_[chunk] || it == here_.end() || it->second.size() < peer::Seats::kEnough;
}

void Site::pull() {
  while (under_way_ < kUnderWay && alive()) {
    while (!urgent_.empty() && states_[urgent_.front()] != State::kAbsent) urgent_.pop_front();
    if (!urgent_.empty()) {
      const ChunkNumber chunk = urgent_.front();
      urgent_.pop_front();
      ask_centre(chunk, true);
      continue;
    }
    while (wanted_ && next_ < image_.chunks() && states_[next_] != State::kAbsent) ++next_;
    if (!wanted_ || next_ == image_.chunks()) return;
    if (urgent_under_way_ > 0 && timeline_.now() - last_rest_ < kStandsStill) return;
    last_rest_ = timeline_.now();
    ask_centre(next_, false);
  }
}

void Site::ask_centre(ChunkNumber chunk, bool urgent) {
  states_[chunk] = State::kAsked;
  ++under_way_;
  urgent_under_way_ += urgent ? 1 : 0;
  const Flow flow = static_cast<Flow>(options_.number) * 2 + (urgent ? 1 : 0);
  const auto delay = Duration(static_cast<std::int64_t>(scenario_.link_latency * 1e9));
  timeline_.after(delay, [this, chunk, flow, delay, urgent, life = lives_] {
    if (life != lives_ || !alive()) return;
    centre_.up().send(flow, kChunkBytes, [this, chunk, flow, delay, urgent, life] {
      if (life != lives_ || !alive()) return;
      link_.send(flow, kChunkBytes, [this, chunk, delay, urgent, life] {
        timeline_.after(delay, [this, chunk, urgent, life] {
          if (life != lives_ || !alive()) return;
          urgent_under_way_ -= urgent ? 1 : 0;
          arrived(chunk);
        });
      });
    });
  });
}

void Site::arrived(ChunkNumber chunk) {
  --under_way_;
  states_[chunk] = State::kHere;
  has_[chunk] = true;
  pull();
  if (listener_) listener_(chunk);
  const auto it = here_.find(chunk);
  if (it == here_.end()) return;
  const std::vector<std::function<void()>> waiting = std::move(it->second);
  here_.erase(it);
  waiting_ -= waiting.size();
  for (const auto& here : waiting) here();
}

absl::StatusOr<seed::BlobReaders::Told> Site::neighbours(const Digest& blob, const std::string& url) {
  count_request();
  lists_.add(timeline_);
  absl::StatusOr<seed::BlobReaders::Told> told = readers_->ask(blob, url, timeline_.now());
  if (told.ok()) longest_list_ = std::max(longest_list_, told->urls.size());
  return told;
}

std::optional<std::string> Site::ticket(const ImageLayer& layer, const std::string& address) {
  count_request();
  const auto first = has_.begin() + layer.first;
  if (!scenario_.swarm_while_arriving && std::count(first, first + layer.chunks, false) > 0) return std::nullopt;
  return grants_->issue(swarm_of(layer), address);
}

std::string Site::announce(const ImageLayer& layer, const std::string& token, const std::string& address,
                           seed::Announce announce) {
  count_request();
  announces_.add(timeline_);
  const absl::Status granted = grants_->check(token, swarm_of(layer), address);
  if (!granted.ok()) return seed::tracker_failure(to_std(granted.message()));
  announce.swarm = swarm_of(layer);
  const absl::StatusOr<std::string> answer = tracker_->announce(announce);
  return answer.ok() ? *answer : seed::tracker_failure(to_std(answer.status().message()));
}

}  // namespace samara::simulation
