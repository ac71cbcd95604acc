#include "snapshotter/warm_placer.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "snapshotter/node_images.h"
#include "warm_rows.h"

namespace samara::snapshotter {
namespace {

using cache_index::Cache;
using peer::WarmImage;
using peer::WarmLevel;
using peer::WarmOrder;
using peer::WarmReport;
using peer::WarmTask;
using State = WarmReport::State;
using std::chrono::milliseconds;

constexpr int kRounds = 3;        // of fetching and verifying: what was altered on the way to the disk comes once more
constexpr int kNice = 10;
constexpr std::uint64_t kWorkingPin = 24 * 3600;  // seconds; a node that dies meanwhile leaves no pin for ever

std::uint64_t frame_bytes(const peer::LayerIndex& index, std::uint32_t chunk) {
  const absl::StatusOr<cache_index::Chunk> found = index->chunk(chunk);
  return found.ok() ? found->blob_size : 0;
}

absl::Status cancelled() { return absl::CancelledError("it isn't ordered any more"); }

}  // namespace

WarmPlacer::WarmPlacer(Cache& cache, WarmSite& site, peer::ChunkReader& background, Clock& clock, const Options& options,
                       std::function<bool()> pressure_is_high)
    : cache_(cache),
      site_(site),
      background_(background),
      clock_(clock),
      options_(options),
      fetch_(background, [] { return milliseconds::max(); }, [&cache](const Digest& chunk) { return cache.has_chunk(chunk); }, clock,
             options.fetch, std::move(pressure_is_high)) {}

WarmPlacer::~WarmPlacer() { stop(); }

std::vector<std::string> WarmPlacer::tables() {
  std::vector<std::string> tables = NodeImages::tables();
  tables.emplace_back(kWarmTable);
  return tables;
}

std::string WarmPlacer::pin_name(const WarmImage& image) { return str_cat("warm ", image.name, "@", image.digest.to_string()); }

void WarmPlacer::start() {
  fetch_.start();
  thread_ = std::thread([this] { run(); });
}

void WarmPlacer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (auto& [key, task] : tasks_) task.stop.request_stop();
    changed_.notify_all();
  }
  stop_.request_stop();
  if (thread_.joinable()) thread_.join();
  fetch_.stop();
}

void WarmPlacer::run() {
  // What containers do comes first on the processor too. The thread's own: Linux's setpriority() takes a thread's id.
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kNice);
  while (true) {
    while (step()) {
    }
    std::unique_lock lock(mutex_);
    const auto has_work = [this] {
      return stopping_ || std::any_of(tasks_.begin(), tasks_.end(), [](const auto& task) { return !task.second.report.is_final(); });
    };
    changed_.wait(lock, has_work);
    if (stopping_) return;
  }
}

void WarmPlacer::set_orders(const std::vector<WarmOrder>& orders) {
  const std::lock_guard lock(mutex_);
  for (auto at = tasks_.begin(); at != tasks_.end();) {
    const bool stays = std::any_of(orders.begin(), orders.end(), [&](const WarmOrder& order) { return order.task == at->first; });
    if (!stays) at->second.stop.request_stop();
    at = stays ? std::next(at) : tasks_.erase(at);
  }
  for (const WarmOrder& order : orders) {
    Task& task = tasks_[order.task];
    task.order = order;
    task.report.task = order.task;
  }
  changed_.notify_all();
}

std::vector<WarmReport> WarmPlacer::reports() const {
  const std::lock_guard lock(mutex_);
  std::vector<WarmReport> reports;
  for (const auto& [key, task] : tasks_) reports.push_back(task.report);
  return reports;
}

void WarmPlacer::report(const WarmTask& key, State state, std::uint64_t done, std::uint64_t total) {
  const std::lock_guard lock(mutex_);
  const auto task = tasks_.find(key);
  if (task == tasks_.end()) return;
  task->second.report.state = state;
  task->second.report.done = done;
  task->second.report.total = total;
}

bool WarmPlacer::step() {
  WarmOrder order;
  std::stop_token stop;
  {
    const std::lock_guard lock(mutex_);
    const auto is_open = [](const auto& task) { return !task.second.report.is_final(); };
    auto next = std::find_if(tasks_.begin(), tasks_.end(), [&](const auto& task) { return task.first.look && is_open(task); });
    if (next == tasks_.end()) next = std::find_if(tasks_.begin(), tasks_.end(), is_open);
    if (next == tasks_.end() || stopping_) return false;
    order = next->second.order;
    stop = next->second.stop.get_token();
  }
  const absl::Status done = order.task.look ? look(order, stop) : place(order, stop);
  const std::lock_guard lock(mutex_);
  const auto task = tasks_.find(order.task);
  if (task == tasks_.end() || stop.stop_requested()) return true;
  if (done.ok()) {
    task->second.report.state = State::kVerified;
  } else {
    task->second.report.state = State::kFailed;
    task->second.report.error = std::string(done.message());
    log::warning("an image can't be warmed", {{"manifest", order.task.manifest.to_string()}, {"error", done}});
  }
  return true;
}

void WarmPlacer::sleep(milliseconds time, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, stop, time, [this] { return stopping_; });
}

absl::StatusOr<peer::LayerIndex> WarmPlacer::open_index(const WarmImage::Layer& layer) const {
  SAMARA_RETURN_IF_ERROR(cache_.open_object(layer.record.index).status());  // compares its digest, the first time
  SAMARA_ASSIGN_OR_RETURN(std::unique_ptr<cache_index::IndexReader> reader,
                          cache_index::IndexReader::open(cache_.object_path(layer.record.index)));
  if (reader->info().diff_id == layer.diff_id && reader->info().blob == layer.record.blob) return peer::LayerIndex(std::move(reader));
  return absl::DataLossError(str_cat("the index of layer ", layer.record.layer.to_string(), " is another layer's"));
}

// ---- how much is missing ----

absl::Status WarmPlacer::look(const WarmOrder& order, const std::stop_token& stop) {
  SAMARA_ASSIGN_OR_RETURN(const WarmImage image, site_.image(order.task.manifest, stop));
  std::uint64_t total = 0, here = 0;
  bool all_indexes = true;
  Layers layers;
  for (const WarmImage::Layer& layer : image.layers) {
    const absl::StatusOr<peer::LayerIndex> index =
        layer.converted() && cache_.has_object(layer.record.index) ? open_index(layer) : absl::NotFoundError("not here");
    all_indexes = all_indexes && index.ok();
    total += layer.record.index_size;
    if (index.ok()) here += layer.record.index_size;
    layers.push_back({&layer, index.ok() ? *index : nullptr});
    if (order.task.level != WarmLevel::kFull) continue;
    const auto present = index.ok() ? cache_.presence(**index) : absl::NotFoundError("not here");
    total += present.ok() ? present->bytes_total : layer.converted() ? layer.record.blob_size : layer.record.layer_size;
    if (present.ok()) here += present->bytes;
  }
  if (order.task.level == WarmLevel::kTrace) {
    const auto chunks = all_indexes ? trace_chunks(image, layers, stop) : absl::NotFoundError("not here");
    total += image.trace_bytes;
    std::uint64_t present = 0;
    if (chunks.ok())
      for (const Chunk& each : *chunks)
        if (const auto chunk = each.first->chunk(each.second); chunk.ok() && cache_.has_chunk(chunk->digest)) present += chunk->blob_size;
    here += std::min(present, image.trace_bytes);
  }
  report(order.task, State::kFetching, std::min(here, total), total);
  return absl::OkStatus();
}

// ---- placing ----

absl::Status WarmPlacer::place(const WarmOrder& order, const std::stop_token& stop) {
  SAMARA_ASSIGN_OR_RETURN(const WarmImage image, site_.image(order.task.manifest, stop));
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(clock_.wall_now().time_since_epoch()).count();
  const std::string working = str_cat(pin_name(image), ", being placed");
  SAMARA_RETURN_IF_ERROR(pin(image, working, std::max(order.pin_until, static_cast<std::uint64_t>(now) + kWorkingPin)));
  const auto work = [&]() -> absl::Status {
    SAMARA_RETURN_IF_ERROR(keep_manifests(image));
    SAMARA_ASSIGN_OR_RETURN(const Layers layers, place_indexes(image, stop));
    std::vector<Chunk> chunks;
    if (order.task.level == WarmLevel::kTrace) {
      SAMARA_ASSIGN_OR_RETURN(chunks, trace_chunks(image, layers, stop));
    } else if (order.task.level == WarmLevel::kFull) {
      for (const Layer& layer : layers)
        for (std::uint32_t i = 0; i < layer.index->info().chunk_count; ++i) chunks.emplace_back(layer.index, i);
    }
    absl::Status status;
    for (int round = 0; round < kRounds; ++round) {
      SAMARA_RETURN_IF_ERROR(order.task.level == WarmLevel::kTrace ? fetch_trace(order.task, chunks, stop) : fetch_full(order.task, order.task.level == WarmLevel::kFull ? layers : Layers(), stop));
      status = verify(order.task, chunks, stop);
      if (!absl::IsDataLoss(status) && !absl::IsNotFound(status)) break;
    }
    return status;
  };
  absl::Status done = work();
  if (done.ok() && order.pin_until > 0) done = keep_pin(image, order.pin_until);
  const absl::Status removed = cache_.remove_pin(working);
  return done.ok() ? removed : done;
}

absl::Status WarmPlacer::pin(const WarmImage& image, std::string name, std::uint64_t until) {
  Cache::Pin pin{.name = std::move(name), .reason = "samara warm", .expires = until, .members = {image.digest, cache_index::sha256(as_bytes(image.config))}};
  if (!image.index.empty()) pin.members.push_back(cache_index::sha256(as_bytes(image.index)));
  for (const WarmImage::Layer& layer : image.layers) pin.members.push_back(layer.record.layer);
  return cache_.add_pin(pin);
}

/// Until then, or for as long as another order wanted it.
absl::Status WarmPlacer::keep_pin(const WarmImage& image, std::uint64_t until) {
  std::string name = pin_name(image);
  SAMARA_ASSIGN_OR_RETURN(const std::vector<Cache::Pin> pins, cache_.pins());
  for (const Cache::Pin& pin : pins) {
    if (pin.name == name) until = std::max(until, pin.expires);
  }
  return pin(image, std::move(name), until);
}

absl::Status WarmPlacer::keep_manifests(const WarmImage& image) {
  for (const std::string* bytes : {&image.manifest, &image.config, &image.index})
    if (!bytes->empty()) SAMARA_RETURN_IF_ERROR(cache_.put_object(cache_index::sha256(as_bytes(*bytes)), as_bytes(*bytes)));
  SAMARA_RETURN_IF_ERROR(cache_.store().write(warm_rows(image)));
  return NodeImages(cache_.store()).note_warmed(image);
}

absl::StatusOr<WarmPlacer::Layers> WarmPlacer::place_indexes(const WarmImage& image, const std::stop_token& stop) {
  Layers layers;
  for (const WarmImage::Layer& layer : image.layers) {
    if (!layer.converted()) return absl::FailedPreconditionError(str_cat("layer ", layer.record.layer.to_string(), " isn't converted"));
    SAMARA_RETURN_IF_ERROR(annotate(site_.fetch_object(layer.record.index, layer.record.index_size, stop), "an index"));
    SAMARA_ASSIGN_OR_RETURN(peer::LayerIndex index, open_index(layer));
    SAMARA_RETURN_IF_ERROR(cache_.put_layer(layer.record));
    layers.push_back({&layer, std::move(index)});
  }
  return layers;
}

absl::StatusOr<std::vector<WarmPlacer::Chunk>> WarmPlacer::trace_chunks(const WarmImage& image, const Layers& layers,
                                                                        const std::stop_token& stop) {
  SAMARA_ASSIGN_OR_RETURN(const peer::StartTrace trace, site_.start_trace(peer::chain_id(image.diff_ids()), stop));
  std::map<Digest, peer::LayerIndex> by_diff_id;
  for (const Layer& layer : layers) by_diff_id[layer.of->diff_id] = layer.index;
  std::vector<Chunk> chunks;
  for (const peer::StartTrace::Chunk& each : trace.chunks) {
    const auto layer = by_diff_id.find(each.first);
    if (layer == by_diff_id.end() || each.second >= layer->second->info().chunk_count) continue;
    chunks.emplace_back(layer->second, each.second);
  }
  return chunks;
}

absl::Status WarmPlacer::wait_for(const WarmTask& task, const std::function<std::uint64_t()>& present, std::uint64_t total,
                                  const std::function<void()>& ask_again, const std::stop_token& stop) {
  std::uint64_t last = 0;
  auto last_arrival = clock_.now(), last_asked = last_arrival;
  while (true) {
    const auto began = clock_.now();
    const std::uint64_t here = present();
    if (here > last) last_arrival = began;
    last = std::max(last, here);
    report(task, State::kFetching, here, total);
    if (here >= total) return absl::OkStatus();
    if (stop.stop_requested()) return cancelled();
    if (began - last_arrival >= options_.give_up)
      return absl::UnavailableError(str_cat("nothing has come for ", std::chrono::duration_cast<std::chrono::seconds>(options_.give_up).count(),
                                            " s; ", total - here, " bytes are missing: is the site reachable, and the disk full?"));
    if (began - std::max(last_arrival, last_asked) >= options_.fetch.stall) {
      ask_again();
      last_asked = began;
    }
    // To look costs time with a large image.
    const auto took = std::chrono::duration_cast<milliseconds>(clock_.now() - began);
    sleep(std::max(options_.poll, took * 5), stop);
  }
}

absl::Status WarmPlacer::fetch_trace(const WarmTask& task, const std::vector<Chunk>& chunks, const std::stop_token& stop) {
  std::vector<Chunk> sorted = chunks;
  std::sort(sorted.begin(), sorted.end(), [](const Chunk& a, const Chunk& b) {
    return std::pair(a.first->info().diff_id, a.second) < std::pair(b.first->info().diff_id, b.second);
  });
  std::uint64_t total = 0;
  for (const Chunk& chunk : sorted) total += frame_bytes(chunk.first, chunk.second);
  const auto ask = [&] {
    for (std::size_t first = 0, end = 0; first < sorted.size(); first = end) {
      for (end = first + 1; end < sorted.size() && sorted[end].first == sorted[first].first && sorted[end].second == sorted[end - 1].second + 1;) ++end;
      background_.prefetch(sorted[first].first, sorted[first].second, static_cast<std::uint32_t>(end - first), peer::FetchClass::kTrace);
    }
  };
  ask();
  const auto present = [&] {
    std::uint64_t bytes = 0;
    for (const Chunk& each : sorted)
      if (const auto chunk = each.first->chunk(each.second); chunk.ok() && cache_.has_chunk(chunk->digest)) bytes += chunk->blob_size;
    return bytes;
  };
  return wait_for(task, present, total, ask, stop);
}

absl::Status WarmPlacer::fetch_full(const WarmTask& task, const Layers& layers, const std::stop_token& stop) {
  std::uint64_t total = 0, before = 0;
  std::vector<Cache::Presence> presences;
  for (const Layer& layer : layers) {
    SAMARA_ASSIGN_OR_RETURN(const Cache::Presence presence, cache_.presence(*layer.index));
    total += presence.bytes_total;
    before += presence.bytes;
    presences.push_back(presence);
  }
  report(task, State::kFetching, before, total);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::uint64_t others = before - presences[i].bytes;
    const std::uint32_t slot = next_slot_++;
    fetch_.add(slot, layers[i].index);
    const auto present = [&] { return others + cache_.presence(*layers[i].index).value_or(Cache::Presence()).bytes; };
    const absl::Status came = wait_for(task, present, others + presences[i].bytes_total, [] {}, stop);
    fetch_.remove(slot);
    SAMARA_RETURN_IF_ERROR(came);
    before = others + presences[i].bytes_total;
    report(task, State::kFetching, before, total);
  }
  return absl::OkStatus();
}

absl::Status WarmPlacer::verify(const WarmTask& task, const std::vector<Chunk>& chunks, const std::stop_token& stop) {
  std::uint64_t total = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = tasks_.find(task);
    if (found != tasks_.end()) total = found->second.report.total;
  }
  report(task, State::kVerifying, total, total);
  for (const Chunk& each : chunks) {
    if (stop.stop_requested()) return cancelled();
    SAMARA_ASSIGN_OR_RETURN(const cache_index::Chunk chunk, each.first->chunk(each.second));
    SAMARA_RETURN_IF_ERROR(cache_.read_chunk(chunk).status());
  }
  return absl::OkStatus();
}

}  // namespace samara::snapshotter
