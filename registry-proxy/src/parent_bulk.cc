#include <pthread.h>

#include <algorithm>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "registry_proxy/parent_layers.h"

/// What comes from the parent while nobody waits for it.
namespace samara::registry_proxy {
namespace {

using std::chrono::milliseconds;

/// So much is asked for and not here yet: enough for a long link, little to lose when it breaks.
constexpr std::uint64_t kWindow = 4u << 20;
constexpr int kStoreTries = 40;
constexpr milliseconds kStoreWait{50};
constexpr std::string_view kTable = "parent_layers";

/// Frames asked for. Shared with the replies.
class Window {
 public:
  /// Waits until there is room for more; false when a frame failed or `stop`.
  bool wait_for_room(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [this] { return outstanding_ < kWindow || !error_.ok(); });
    return error_.ok() && !stop.stop_requested();
  }
  void asked(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    outstanding_ += bytes;
  }
  void came(std::uint64_t bytes, const absl::Status& status) {
    const std::lock_guard lock(mutex_);
    outstanding_ -= bytes;
    if (error_.ok()) error_ = status;
    changed_.notify_all();
  }
  absl::Status wait_for_all(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    if (changed_.wait(lock, stop, [this] { return outstanding_ == 0; })) return error_;
    return absl::CancelledError("stopping");
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::uint64_t outstanding_ = 0;
  absl::Status error_;
};

}  // namespace

/// Those whose blob isn't whole are there at once after a restart, and offline.
void ParentLayers::load() {
  std::vector<Digest> layers;
  const absl::Status read = cache_.store().scan(kTable, "", [&](std::string_view key, std::string_view) {
    if (const auto layer = Digest::from_key(key); layer.ok()) layers.push_back(*layer);
    return true;
  });
  if (!read.ok()) log::warning("layers that were coming from the parent can't be read", {{"error", read}});
  for (const Digest& layer : layers) {
    const auto record = cache_.layer(layer);
    const auto arriving = record.ok() && cache_.has_object(record->index) ? open(*record) : absl::NotFoundError("its index went");
    if (arriving.ok()) add(*arriving);
    else log::warning("a layer no longer comes from the parent", {{"layer", layer.to_string()}, {"error", arriving.status()}});
  }
}

void ParentLayers::add(const ArrivingPtr& layer) {
  {
    const std::lock_guard lock(mutex_);
    layers_.insert_or_assign(layer->record.layer, layer->record);
    if (blobs_.emplace(layer->record.blob, layer).second) queue_.push_back(layer->record.blob);
    ++added_;
    arriving_gauge_.set(static_cast<double>(blobs_.size()));
  }
  changed_.notify_all();
}

void ParentLayers::remove(const Arriving& layer) {
  std::vector<Digest> layers;
  {
    const std::lock_guard lock(mutex_);
    blobs_.erase(layer.record.blob);
    std::erase(queue_, layer.record.blob);
    for (auto it = layers_.begin(); it != layers_.end();) {
      const bool same = it->second.blob == layer.record.blob;
      if (same) layers.push_back(it->first);
      it = same ? layers_.erase(it) : std::next(it);
    }
    arriving_gauge_.set(static_cast<double>(blobs_.size()));
  }
  for (const Digest& digest : layers) {
    const absl::Status forgot = cache_.store().write({{std::string(kTable), digest.key(), std::nullopt}});
    if (!forgot.ok()) log::warning("an arrived layer's row stays", {{"error", forgot}});  // looked at again at the next start
  }
}

void ParentLayers::start(OnProgress on_progress) {
  on_progress_ = std::move(on_progress);
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
  pthread_setname_np(thread_.native_handle(), "parent-bulk");
}

void ParentLayers::stop() {
  thread_.request_stop();
  fetcher_->close();  // whoever waits for a frame is answered
  if (thread_.joinable()) thread_.join();
}

void ParentLayers::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    ArrivingPtr next;
    std::uint64_t added = 0;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return !queue_.empty(); })) return;
      next = blobs_.at(queue_.front());
      added = added_;
    }
    const absl::Status status = bring(*next, stop);
    if (stop.stop_requested()) return;
    if (status.ok()) {
      failures_ = 0;
      continue;
    }
    log::info("the rest of a blob waits", {{"blob", next->record.blob.brief()}, {"error", status}});
    std::unique_lock lock(mutex_);
    if (!queue_.empty() && queue_.front() == next->record.blob) {  // others first
      queue_.pop_front();
      if (blobs_.contains(next->record.blob)) queue_.push_back(next->record.blob);
    }
    const milliseconds pause = pause_after(status);
    // A new layer shows that the parent answers.
    changed_.wait_for(lock, stop, pause, [&] { return added_ != added && !absl::IsResourceExhausted(status); });
  }
}

/// With jitter, so that sites that lost the same link don't come back in step.
milliseconds ParentLayers::pause_after(const absl::Status& failure) {
  milliseconds pause = options_.budget_retry;
  if (!absl::IsResourceExhausted(failure))
    pause = std::min(options_.longest_retry, options_.first_retry * (1u << std::min(failures_++, 10u)));
  return milliseconds(std::uniform_int_distribution<std::int64_t>(pause.count() / 2, pause.count() * 3 / 2)(random_));
}

/// One pass over what is missing.
absl::Status ParentLayers::bring(const Arriving& layer, const std::stop_token& stop) {
  const auto window = std::make_shared<Window>();
  const peer::LayerIndex& index = layer.frames->layer();
  std::uint64_t told = 0, asked = 0;
  for (const std::uint32_t position : layer.frames->all()) {
    const auto chunk = index->chunk(position);
    if (!chunk.ok()) return chunk.status();
    if (cache_.has_chunk(chunk->digest)) continue;
    if (!window->wait_for_room(stop)) break;
    window->asked(chunk->blob_size);
    asked += chunk->blob_size;
    fetcher_->read_frame(index, position, peer::FetchClass::kBackground,
                         [window, size = chunk->blob_size](auto frame) { window->came(size, frame.status()); });
    if (on_progress_ && asked - told >= kWindow) {
      told = asked;
      on_progress_(layer.record.blob, false);
    }
  }
  const absl::Status came = window->wait_for_all(stop);
  if (stop.stop_requested()) return absl::CancelledError("stopping");
  if (on_progress_) on_progress_(layer.record.blob, false);
  SAMARA_RETURN_IF_ERROR(came);
  // A frame is given out a moment before it is stored.
  for (int i = 0; i < kStoreTries; ++i) {
    const absl::Status whole = complete(layer);
    if (!absl::IsAborted(whole)) return whole;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, kStoreWait, [] { return false; });
    if (stop.stop_requested()) return absl::CancelledError("stopping");
  }
  return absl::ResourceExhaustedError("there is no room for all of it");
}

/// Every chunk is in the cache: in this blob's file or in another's.
absl::Status ParentLayers::complete(const Arriving& layer) {
  const cache_index::LayerRecord& record = layer.record;
  if (record.blob_size == 0) {
    if (!cache_.has_object(record.blob)) SAMARA_RETURN_IF_ERROR(cache_.put_object(record.blob, {}));
  } else if (!cache_.has_object(record.blob)) {
    SAMARA_RETURN_IF_ERROR(cache_.open_partial(record.blob).status());
    const peer::LayerIndex& index = layer.frames->layer();
    for (const std::uint32_t position : layer.frames->all()) {
      SAMARA_ASSIGN_OR_RETURN(const cache_index::Chunk chunk, index->chunk(position));
      if (!cache_.has_chunk(chunk.digest)) return absl::AbortedError("not all of it is stored");
      SAMARA_RETURN_IF_ERROR(cache_.fill_in(record.blob, chunk));
    }
    const absl::Status whole = cache_.complete_partial(record.blob, record.blob_size);
    if (absl::IsDataLoss(whole)) {
      log::error("a blob's chunks are right and the blob isn't: the parent's index is wrong", {{"blob", record.blob.to_string()}});
      remove(layer);
    }
    SAMARA_RETURN_IF_ERROR(whole);
  }
  remove(layer);
  log::info("a layer has come from the parent site", {{"layer", record.layer.to_string()}, {"blob", record.blob.brief()}});
  if (on_progress_) on_progress_(record.blob, true);
  return absl::OkStatus();
}

}  // namespace samara::registry_proxy
