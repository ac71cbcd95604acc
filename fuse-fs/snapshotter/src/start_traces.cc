#include "snapshotter/start_traces.h"

#include <pthread.h>

#include <algorithm>

#include "base/log.h"
#include "base/status.h"

namespace samara::snapshotter {
namespace {

constexpr std::string_view kTable = "start_traces";
// One start in so many isn't given to the kernel ahead, so that it is seen what it reads.
constexpr std::uint32_t kSeenStarts = 8;

peer::LayerIndex find_layer(const std::vector<PreloadPlan::MountedLayer>& layers, const Digest& diff_id) {
  for (const PreloadPlan::MountedLayer& layer : layers) {
    if (layer.index->info().diff_id == diff_id) return layer.index;
  }
  return nullptr;
}

std::vector<Digest> diff_ids(const std::vector<PreloadPlan::MountedLayer>& layers) {
  std::vector<Digest> all;
  for (const PreloadPlan::MountedLayer& layer : layers) all.push_back(layer.index->info().diff_id);
  return all;
}

}  // namespace

/// What chunks that are on their way are for. They may come when the traces are gone.
struct StartTraces::Ahead {
  std::function<void(const PreloadPlan::Load&)> load;
  std::mutex mutex;
  PreloadPlan plan;
  std::set<Chunk> loaded;  // of which the kernel was given something

  void arrived(const Chunk& chunk) {
    const std::lock_guard lock(mutex);
    for (const PreloadPlan::Load& each : plan.arrived(chunk)) {
      load(each);
      loaded.insert(chunk);
    }
  }
  bool is_loaded(const Chunk& chunk) {
    const std::lock_guard lock(mutex);
    return loaded.contains(chunk);
  }
};

StartTraces::StartTraces(const Parts& parts, const Options& options)
    : parts_(parts), site_(options.share ? parts.site : nullptr), options_(options) {}

StartTraces::~StartTraces() { stop(); }

std::vector<std::string> StartTraces::tables() { return {std::string(kTable)}; }

void StartTraces::run() {
  thread_ = std::thread([this] { loop(); });
  pthread_setname_np(thread_.native_handle(), "start-traces");
}

void StartTraces::stop() {
  stop_.request_stop();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  std::map<Digest, Recording> left;
  {
    const std::lock_guard lock(mutex_);
    left.swap(recordings_);
    recording_ = 0;
  }
  for (const auto& [chain, recording] : left) keep(recording);
}

void StartTraces::loop() {
  while (true) {
    const std::optional<Duration> wait = step();
    std::unique_lock lock(mutex_);
    const auto wake = [this] { return stopping_ || woken_; };
    if (wait) {
      changed_.wait_for(lock, *wait, wake);
    } else {
      changed_.wait(lock, wake);
    }
    woken_ = false;
    if (stopping_) return;
  }
}

void StartTraces::image_comes(const Image& image) { begin(image, false); }
void StartTraces::container_starts(const Image& image) { begin(image, true); }

void StartTraces::begin(const Image& image, bool starts) {
  const TimePoint now = parts_.clock.now();
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  Recording& recording = recordings_[image.chain];  // of several starts at once, one
  if (recording.image.layers.empty() || (starts && !recording.starts)) recording.began = now;
  recording.last_new = now;
  recording.image = image;
  recording.starts = recording.starts || starts;
  recording_ = recordings_.size();
  woken_ = true;
  changed_.notify_all();
}

std::optional<StartTraces::Duration> StartTraces::step() {
  std::vector<Image> to_ask;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [chain, recording] : recordings_) {
      if (!recording.asked_ahead) to_ask.push_back(recording.image);
      recording.asked_ahead = true;
    }
  }
  for (const Image& image : to_ask) ask_ahead(image);

  std::vector<Recording> settled;
  std::optional<TimePoint> next;
  const TimePoint now = parts_.clock.now();
  {
    const std::lock_guard lock(mutex_);
    for (auto at = recordings_.begin(); at != recordings_.end();) {
      const TimePoint longest = at->second.began + options_.longest;
      const TimePoint end = at->second.starts ? std::min(at->second.last_new + options_.settle, longest) : longest;
      const auto current = at++;
      if (end <= now) {
        settled.push_back(std::move(recordings_.extract(current).mapped()));
      } else {
        next = next ? std::min(*next, end) : end;
      }
    }
    recording_ = recordings_.size();
  }
  for (const Recording& recording : settled) {
    take_time(recording);
    keep(recording);
  }
  if (!next) return std::nullopt;
  return std::chrono::duration_cast<Duration>(*next - now) + Duration(1);
}

// ---- Fetching ahead ----

void StartTraces::ask_ahead(const Image& image) {
  const peer::StartTrace trace = known(image);
  const Wanted wanted = this->wanted(trace, image);
  std::shared_ptr<Ahead> ahead;
  if (parts_.load != nullptr && trace.starts % kSeenStarts != kSeenStarts - 1) {
    ahead = std::make_shared<Ahead>();
    ahead->load = parts_.load;
    ahead->plan = PreloadPlan(image.layers, trace);
  }
  {
    const std::lock_guard lock(mutex_);
    const auto recording = recordings_.find(image.chain);
    if (recording != recordings_.end()) {
      recording->second.ahead.insert(wanted.missing.begin(), wanted.missing.end());
      recording->second.preload = ahead;
    }
  }
  // Those that lie together in a blob become one request while they wait.
  for (const Chunk& chunk : wanted.missing) {
    parts_.reader.read(find_layer(image.layers, chunk.first), chunk.second, peer::FetchClass::kTrace,
                       [ahead, chunk](const absl::StatusOr<peer::ChunkBytes>& bytes) {
                         if (bytes.ok() && ahead) ahead->arrived(chunk);
                       });
  }
  if (ahead == nullptr) return;
  for (const Chunk& chunk : wanted.here) ahead->arrived(chunk);
  const std::lock_guard lock(ahead->mutex);
  for (const PreloadPlan::Load& name : ahead->plan.names()) ahead->load(name);
}

/// What this node has seen, else what its site has heard; that is kept here too.
peer::StartTrace StartTraces::known(const Image& image) {
  const absl::StatusOr<peer::StartTrace> own = load(image.chain);
  if (own.ok()) return *own;
  if (!absl::IsNotFound(own.status())) {
    log::warning("a start's trace can't be read", {{"image", image.image_ref}, {"error", own.status()}});
  }
  if (site_ == nullptr) return {};
  absl::StatusOr<peer::StartTrace> told = site_->start_trace(image.chain, stop_.get_token());
  if (!told.ok()) {
    log::debug("no trace from the site", {{"image", image.image_ref}, {"error", told.status()}});
    return {};
  }
  told->image = image.image_ref;
  const absl::Status kept = parts_.store.write({{std::string(kTable), image.chain.key(), peer::encode(*told)}});
  if (!kept.ok()) log::warning("a start's trace can't be kept", {{"image", image.image_ref}, {"error", kept}});
  return *std::move(told);
}

StartTraces::Wanted StartTraces::wanted(const peer::StartTrace& trace, const Image& image) const {
  Wanted wanted;
  std::uint64_t bytes = 0;
  for (const Chunk& each : trace.chunks) {
    const peer::LayerIndex layer = find_layer(image.layers, each.first);
    if (layer == nullptr || each.second >= layer->info().chunk_count) continue;
    const absl::StatusOr<cache_index::Chunk> chunk = layer->chunk(each.second);
    if (!chunk.ok()) continue;
    bytes += chunk->blob_size;
    if (bytes > options_.most_bytes) break;
    (parts_.has_chunk(chunk->digest) ? wanted.here : wanted.missing).push_back(each);
  }
  return wanted;
}

// ---- Recording ----

void StartTraces::read(const peer::LayerIndex& layer, std::uint32_t chunk, peer::FetchClass urgency, Done done) {
  if (recording_ > 0 && urgency == peer::FetchClass::kBlocking) {
    note(layer->info().diff_id, [chunk = Chunk{layer->info().diff_id, chunk}](Recording& recording) {
      if (recording.order.size() >= peer::kMaxTraceChunks || !recording.seen.insert(chunk).second) return false;
      recording.order.push_back(chunk);
      return true;
    });
  }
  parts_.reader.read(layer, chunk, urgency, std::move(done));
}

void StartTraces::touched(const peer::LayerIndex& layer, std::uint32_t inode) {
  if (recording_ == 0) return;
  note(layer->info().diff_id, [file = Chunk{layer->info().diff_id, inode}](Recording& recording) {
    if (recording.files.size() >= peer::kMaxTraceFiles || !recording.touched.insert(file).second) return false;
    recording.files.push_back(file);
    return true;
  });
}

/// Lets `note` add to each start of an image with that layer; it tells whether that was new.
template <typename Note>
void StartTraces::note(const Digest& diff_id, const Note& note) {
  const std::lock_guard lock(mutex_);
  for (auto& [chain, recording] : recordings_) {
    if (!recording.starts || find_layer(recording.image.layers, diff_id) == nullptr) continue;
    if (note(recording)) recording.last_new = parts_.clock.now();
  }
}

void StartTraces::take_time(const Recording& recording) {
  if (!recording.starts) return;
  const std::lock_guard lock(mutex_);
  ++settled_;
  lasted_.push_back(std::chrono::duration_cast<Duration>(recording.last_new - recording.began));
  if (lasted_.size() > kStartsTimed) lasted_.pop_front();
}

StartTraces::Times StartTraces::times() const {
  const std::lock_guard lock(mutex_);
  if (lasted_.empty()) return {};
  std::vector<Duration> sorted(lasted_.begin(), lasted_.end());
  std::sort(sorted.begin(), sorted.end());
  return {settled_, sorted[sorted.size() / 2], sorted.back()};
}

void StartTraces::keep(const Recording& recording) {
  if (!recording.starts) return;
  const Image& image = recording.image;
  peer::StartTrace start{.starts = 1,
                         .layers = diff_ids(image.layers),
                         .chunks = recording.order,
                         .unused = {},
                         .files = recording.files,
                         .image = image.image_ref};
  for (const Chunk& chunk : recording.ahead) {
    const bool unseen = recording.preload && recording.preload->is_loaded(chunk);
    if (!unseen && !recording.seen.contains(chunk)) start.unused.insert(chunk);
  }
  peer::StartTrace trace = load(image.chain).value_or(peer::StartTrace());  // a damaged one is learned anew
  peer::merge(trace, start);
  const absl::Status kept = parts_.store.write({{std::string(kTable), image.chain.key(), peer::encode(trace)}});
  if (!kept.ok()) log::warning("a start's trace can't be kept", {{"image", image.image_ref}, {"error", kept}});
  log::info("learned from a start", {{"image", image.image_ref},
                                     {"read", start.chunks.size()},
                                     {"fetched_ahead", recording.ahead.size()},
                                     {"for_nothing", start.unused.size()},
                                     {"known", trace.chunks.size()},
                                     {"starts", trace.starts}});
  tell_site(recording, start);
}

// Only of an image of which every layer is lazy here: a site checks that the layers make the chainID.
void StartTraces::tell_site(const Recording& recording, const peer::StartTrace& start) {
  const bool says_something = !start.chunks.empty() || !start.unused.empty() || !start.files.empty();
  if (site_ == nullptr || !says_something || peer::chain_id(start.layers) != recording.image.chain) return;
  const absl::Status told = site_->report_start(start, stop_.get_token());
  if (!told.ok()) log::info("the site wasn't told of a start", {{"image", recording.image.image_ref}, {"error", told}});
}

absl::StatusOr<peer::StartTrace> StartTraces::load(const Digest& chain) const {
  SAMARA_ASSIGN_OR_RETURN(const std::string row, parts_.store.get(kTable, chain.key()));
  return peer::decode_start_trace(row);
}

absl::StatusOr<std::vector<StartTraces::Known>> StartTraces::find(std::string_view image) const {
  std::vector<Known> found;
  SAMARA_RETURN_IF_ERROR(parts_.store.scan(kTable, "", [&](std::string_view key, std::string_view row) {
    const absl::StatusOr<Digest> chain = Digest::from_key(key);
    absl::StatusOr<peer::StartTrace> trace = peer::decode_start_trace(row);
    if (!chain.ok() || !trace.ok()) return true;
    const bool wanted = trace->image.find(image) != std::string::npos || chain->to_string().find(image) != std::string::npos;
    if (wanted) found.push_back({*chain, *std::move(trace)});
    return true;
  }));
  return found;
}

}  // namespace samara::snapshotter
