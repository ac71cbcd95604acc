#include "snapshotter/start_traces.h"

#include <pthread.h>

#include <algorithm>

#include "base/log.h"
#include "base/status.h"

namespace samara::snapshotter {
namespace {

constexpr std::string_view kTable = "start_traces";
// So many chunks are put in order of place and asked for together: few large ranges, and yet what is needed first first.
constexpr std::size_t kTogether = 64;

const peer::LayerIndex* find_layer(const std::vector<peer::LayerIndex>& layers, const Digest& diff_id) {
  const auto found = std::find_if(layers.begin(), layers.end(),
                                  [&](const peer::LayerIndex& layer) { return layer->info().diff_id == diff_id; });
  return found == layers.end() ? nullptr : &*found;
}

std::vector<Digest> diff_ids(const std::vector<peer::LayerIndex>& layers) {
  std::vector<Digest> all;
  for (const peer::LayerIndex& layer : layers) all.push_back(layer->info().diff_id);
  return all;
}

}  // namespace

StartTraces::StartTraces(cache_index::Store& store, LayerSite* site, peer::ChunkReader& reader,
                         std::function<bool(const Digest&)> has_chunk, Clock& clock, const Options& options)
    : store_(store), site_(site), reader_(reader), has_chunk_(std::move(has_chunk)), clock_(clock), options_(options) {
  if (!options_.share) site_ = nullptr;
}

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
  const TimePoint now = clock_.now();
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
  const TimePoint now = clock_.now();
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
  for (const Recording& recording : settled) keep(recording);
  if (!next) return std::nullopt;
  return std::chrono::duration_cast<Duration>(*next - now) + Duration(1);
}

// ---- Fetching ahead ----

void StartTraces::ask_ahead(const Image& image) {
  const peer::StartTrace trace = known(image);
  std::vector<Chunk> in_order;
  const std::set<Chunk> asked = missing(trace, image, in_order);
  {
    const std::lock_guard lock(mutex_);
    const auto recording = recordings_.find(image.chain);
    if (recording != recordings_.end()) recording->second.ahead = asked;
  }
  for (std::size_t from = 0; from < in_order.size(); from += kTogether) {
    const std::size_t to = std::min(from + kTogether, in_order.size());
    prefetch_together(image, {in_order.begin() + static_cast<std::ptrdiff_t>(from),
                              in_order.begin() + static_cast<std::ptrdiff_t>(to)});
  }
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
  const absl::Status kept = store_.write({{std::string(kTable), image.chain.key(), peer::encode(*told)}});
  if (!kept.ok()) log::warning("a start's trace can't be kept", {{"image", image.image_ref}, {"error", kept}});
  return *std::move(told);
}

/// What of the trace isn't here; `in_order` of reading, within the limit.
std::set<StartTraces::Chunk> StartTraces::missing(const peer::StartTrace& trace, const Image& image,
                                                  std::vector<Chunk>& in_order) const {
  std::uint64_t bytes = 0;
  for (const Chunk& each : trace.chunks) {
    const peer::LayerIndex* const layer = find_layer(image.layers, each.first);
    if (layer == nullptr || each.second >= (*layer)->info().chunk_count) continue;
    const absl::StatusOr<cache_index::Chunk> chunk = (*layer)->chunk(each.second);
    if (!chunk.ok() || has_chunk_(chunk->digest)) continue;
    bytes += chunk->blob_size;
    if (bytes > options_.most_bytes) break;
    in_order.push_back(each);
  }
  return {in_order.begin(), in_order.end()};
}

void StartTraces::prefetch_together(const Image& image, std::vector<Chunk> chunks) {
  std::sort(chunks.begin(), chunks.end());
  for (auto first = chunks.begin(); first != chunks.end();) {
    auto end = first + 1;
    while (end != chunks.end() && end->first == first->first && end->second == std::prev(end)->second + 1) ++end;
    reader_.prefetch(*find_layer(image.layers, first->first), first->second, static_cast<std::uint32_t>(end - first),
                     peer::FetchClass::kTrace);
    first = end;
  }
}

// ---- Recording ----

void StartTraces::read(const peer::LayerIndex& layer, std::uint32_t chunk, peer::FetchClass urgency, Done done) {
  if (recording_ > 0 && urgency == peer::FetchClass::kBlocking) note(layer, chunk);
  reader_.read(layer, chunk, urgency, std::move(done));
}

void StartTraces::note(const peer::LayerIndex& layer, std::uint32_t chunk) {
  const Digest& diff_id = layer->info().diff_id;
  const std::lock_guard lock(mutex_);
  for (auto& [chain, recording] : recordings_) {
    if (!recording.starts || recording.order.size() >= peer::kMaxTraceChunks) continue;
    if (find_layer(recording.image.layers, diff_id) == nullptr) continue;
    if (!recording.seen.insert({diff_id, chunk}).second) continue;
    recording.order.emplace_back(diff_id, chunk);
    recording.last_new = clock_.now();
  }
}

void StartTraces::keep(const Recording& recording) {
  if (!recording.starts) return;
  const Image& image = recording.image;
  peer::StartTrace start{.starts = 1, .layers = diff_ids(image.layers), .chunks = recording.order, .unused = {}, .image = image.image_ref};
  for (const Chunk& chunk : recording.ahead) {
    if (!recording.seen.contains(chunk)) start.unused.insert(chunk);
  }
  peer::StartTrace trace = load(image.chain).value_or(peer::StartTrace());  // a damaged one is learned anew
  peer::merge(trace, start);
  const absl::Status kept = store_.write({{std::string(kTable), image.chain.key(), peer::encode(trace)}});
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
  const bool says_something = !start.chunks.empty() || !start.unused.empty();
  if (site_ == nullptr || !says_something || peer::chain_id(start.layers) != recording.image.chain) return;
  const absl::Status told = site_->report_start(start, stop_.get_token());
  if (!told.ok()) log::info("the site wasn't told of a start", {{"image", recording.image.image_ref}, {"error", told}});
}

absl::StatusOr<peer::StartTrace> StartTraces::load(const Digest& chain) const {
  SAMARA_ASSIGN_OR_RETURN(const std::string row, store_.get(kTable, chain.key()));
  return peer::decode_start_trace(row);
}

absl::StatusOr<std::vector<StartTraces::Known>> StartTraces::find(std::string_view image) const {
  std::vector<Known> found;
  SAMARA_RETURN_IF_ERROR(store_.scan(kTable, "", [&](std::string_view key, std::string_view row) {
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
