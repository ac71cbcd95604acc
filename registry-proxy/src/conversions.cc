#include "registry_proxy/conversions.h"

#include <fcntl.h>

#include <algorithm>
#include <filesystem>

#include "base/log.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/known_frames.h"
#include "convert/converter.h"

namespace samara::registry_proxy {
namespace {

constexpr char kOriginTable[] = "origins";
constexpr std::uint64_t kMaxConfigBytes = 8u << 20;
constexpr std::size_t kMostQueued = 16384;
constexpr std::size_t kMostFailures = 16384;
constexpr std::size_t kParentWorkers = 6;

using State = peer::LayerStatus::State;

std::size_t thread_count(std::size_t configured) {
  return configured > 0 ? configured : std::max(1u, std::thread::hardware_concurrency());
}

bool is_final(const peer::LayerStatus& status) { return status.state != State::kConverting; }

// Will the same layer fail again however often one tries?
bool is_layers_fault(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsUnimplemented(status) || absl::IsInvalidArgument(status) ||
         absl::IsNotFound(status);
}

// Frames of the layers that are here. Files are opened by their paths, since to copy from a blob is no use of it that
// should keep it from being evicted; what can't be opened, or isn't there whole, only saves less work.
std::unique_ptr<cache_index::KnownFrames> known_frames(const cache_index::Cache& cache) {
  auto known = std::make_unique<cache_index::KnownFrames>();
  const auto layers = cache.layers();
  if (!layers.ok()) return known;
  for (const cache_index::LayerRecord& record : *layers) {
    if (known->is_full()) break;
    const auto index = cache_index::IndexReader::open(cache.object_path(record.index));
    auto blob = open_file(cache.object_path(record.blob), O_RDONLY);
    if (index.ok() && blob.ok()) known->add(**index, *std::move(blob));
  }
  return known;
}

}  // namespace

// What the layers of one image share: its config, which says the diffIDs.
struct Conversions::Image {
  BlobRef config;
  std::size_t layers = 0;
  std::mutex mutex;  // held while the config is fetched: the others need the same
  std::optional<absl::StatusOr<std::vector<Digest>>> diff_ids;
};

struct Conversions::Job {
  BlobRef layer;
  std::string media_type;        // empty: not known
  std::shared_ptr<Image> image;  // nullptr: not known; shared by its layers' jobs
  std::size_t position = 0;      // in the image, bottom is 0
  convert::Progress progress;
};

Conversions::Conversions(cache_index::Cache& cache, Blobs& blobs, const Clock& clock, Metrics& metrics,
                         const Options& options, ParentLayers* parent)
    : cache_(cache),
      blobs_(blobs),
      clock_(clock),
      options_(options),
      converted_(metrics.counter("samara_site_layers_total", "Layers by how their conversion ended.",
                                 {{"result", "converted"}})),
      failed_(metrics.counter("samara_site_layers_total", "Layers by how their conversion ended.",
                              {{"result", "failed"}})),
      pending_(metrics.gauge("samara_site_conversions", "Layers that wait for their conversion or are being converted.")),
      running_(metrics.gauge("samara_site_conversions_running", "Layers that are being converted.")),
      tar_bytes_(metrics.counter("samara_site_converted_bytes_total", "Tar bytes of the converted layers.")),
      compressors_("compress", thread_count(options.threads)),
      parent_(parent) {
  // Those that wait for the parent's answer keep nobody from converting.
  const std::size_t workers = std::max<std::size_t>(1, options_.layers_at_once) + (parent == nullptr ? 0 : kParentWorkers);
  for (std::size_t i = 0; i < workers; ++i) workers_.emplace_back([this] { work(); });
}

Conversions::~Conversions() { stop(); }

void Conversions::stop() {
  stop_.request_stop();
  for (std::thread& worker : workers_)
    if (worker.joinable()) worker.join();
}

void Conversions::convert_image(const Repository& repository, const Manifest& manifest, const Identity& as) {
  if (!is_container_image(manifest)) return;
  auto image = std::make_shared<Image>();
  image->config = {repository, manifest.config.digest, manifest.config.size, as};
  image->layers = manifest.layers.size();
  for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
    const Descriptor& layer = manifest.layers[i];
    auto job = std::make_shared<Job>();
    job->layer = {repository, layer.digest, layer.size, as};
    job->media_type = layer.media_type;
    job->image = image;
    job->position = i;
    enqueue(std::move(job));
  }
}

void Conversions::convert_layer(const BlobRef& layer) {
  auto job = std::make_shared<Job>();
  job->layer = layer;
  enqueue(std::move(job));
}

std::optional<Repository> Conversions::origin_of(const Digest& layer) const {
  const auto origin = cache_.store().get(kOriginTable, layer.key());
  const std::size_t slash = origin.ok() ? origin->find('/') : std::string::npos;
  if (slash == std::string::npos) return std::nullopt;
  auto repository = make_repository(origin->substr(0, slash), origin->substr(slash + 1));
  return repository.ok() ? std::optional(*std::move(repository)) : std::nullopt;
}

bool Conversions::convert_again(const Digest& made) {
  const auto layers = cache_.layers();
  if (!layers.ok()) return false;
  for (const cache_index::LayerRecord& record : *layers) {
    if (record.blob != made && record.index != made) continue;
    const auto repository = origin_of(record.layer);
    if (!repository) continue;
    convert_layer({*repository, record.layer, record.layer_size > 0 ? std::optional(record.layer_size) : std::nullopt});
    return true;
  }
  return false;
}

void Conversions::enqueue(std::shared_ptr<Job> job) {
  {
    const std::lock_guard lock(mutex_);
    drop_old_failures();
    if (!wanted(job->layer.digest)) return;
    jobs_.emplace(job->layer.digest, job);
    pending_.add(1);
    queue_.push_back(std::move(job));
  }
  changed_.notify_all();
}

bool Conversions::wanted(const Digest& layer) const {
  return !stop_.stop_requested() && jobs_.count(layer) == 0 && failures_.count(layer) == 0 &&
         queue_.size() < kMostQueued && !cache_.converted_layer(layer).ok() &&
         (parent_ == nullptr || !parent_->arriving(layer));
}

void Conversions::work() {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop_.get_token(), [this] { return !queue_.empty(); })) {
    if (stop_.stop_requested()) return;
    const std::shared_ptr<Job> job = queue_.front();
    queue_.pop_front();
    lock.unlock();
    running_.add(1);
    const absl::Status status = run(*job);
    running_.add(-1);
    finish(*job, status);
    lock.lock();
  }
}

absl::Status Conversions::run(Job& job) {
  if (!job.media_type.empty() && !is_layer_type(job.media_type))
    return absl::UnimplementedError(str_cat("layers of the type ", job.media_type, " can't be had lazily"));
  if (parent_ != nullptr && take_from_parent(job).ok()) return absl::OkStatus();
  if (!wait_for_turn()) return absl::CancelledError("stopping");
  struct Turn {
    Conversions& conversions;
    ~Turn() { conversions.end_turn(); }
  } const turn{*this};
  const auto started = clock_.now();
  SAMARA_ASSIGN_OR_RETURN(const cache_index::LayerRecord record, convert(job));
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - started);
  converted_.add();
  tar_bytes_.add(static_cast<double>(job.progress.tar_bytes.load()));
  log::info("converted a layer", {{"layer", record.layer.to_string()},
                                  {"repository", job.layer.repository.to_string()},
                                  {"index", record.index.brief()},
                                  {"layer_bytes", record.layer_size},
                                  {"tar_bytes", job.progress.tar_bytes.load()},
                                  {"blob_bytes", record.blob_size},
                                  {"index_bytes", record.index_size},
                                  {"ms", took.count()}});
  return absl::OkStatus();
}

absl::Status Conversions::take_from_parent(Job& job) {
  const auto diff_id = diff_id_of(job);
  const auto record = parent_->take(job.layer, diff_id.ok() ? *diff_id : std::nullopt, job.progress.compressed_bytes, stop_.get_token());
  if (!record.ok()) {
    log::info("the parent site doesn't give a layer; converting it here",
              {{"layer", job.layer.digest.brief()}, {"error", record.status()}});
    job.progress.compressed_bytes = 0;
    return record.status();
  }
  return cache_.store().write({{kOriginTable, record->layer.key(), job.layer.repository.to_string()}});
}

bool Conversions::wait_for_turn() {
  std::unique_lock lock(mutex_);
  const auto free = [this] { return converting_ < std::max<std::size_t>(1, options_.layers_at_once); };
  if (!changed_.wait(lock, stop_.get_token(), free) || stop_.stop_requested()) return false;
  ++converting_;
  return true;
}

void Conversions::end_turn() {
  {
    const std::lock_guard lock(mutex_);
    --converting_;
  }
  changed_.notify_all();
}

absl::StatusOr<std::optional<Digest>> Conversions::diff_id_of(const Job& job) {
  if (job.image == nullptr) return std::nullopt;
  const std::lock_guard lock(job.image->mutex);
  auto& diff_ids = job.image->diff_ids;
  if (!diff_ids) {
    const auto config = blobs_.read(job.image->config, kMaxConfigBytes, stop_.get_token());
    if (config.ok()) {
      diff_ids = parse_diff_ids(*config, job.image->layers);
    } else {
      diff_ids = annotate(config.status(), "the image config");
    }
  }
  SAMARA_RETURN_IF_ERROR(diff_ids->status());
  return (**diff_ids)[job.position];
}

absl::StatusOr<cache_index::LayerRecord> Conversions::convert(Job& job) {
  SAMARA_ASSIGN_OR_RETURN(const std::optional<Digest> diff_id, diff_id_of(job));
  SAMARA_ASSIGN_OR_RETURN(const auto input, blobs_.stream(job.layer, stop_.get_token()));
  SAMARA_ASSIGN_OR_RETURN(const std::string directory, cache_.create_incoming_directory());
  struct Cleanup {
    const std::string& directory;
    ~Cleanup() {
      std::error_code ignored;  // incoming/ is emptied at the next start anyway
      std::filesystem::remove_all(directory, ignored);
    }
  } const cleanup{directory};

  const auto known = known_frames(cache_);
  SAMARA_ASSIGN_OR_RETURN(const convert::ConvertedLayer layer,
                          convert::convert_layer(*input, directory, diff_id, compressors_, &job.progress, known.get()));
  if (layer.layer.algorithm() == job.layer.digest.algorithm() && layer.layer != job.layer.digest) {
    // Only bytes from the cache can get here: a fill checks its own.
    SAMARA_RETURN_IF_ERROR(cache_.remove_object(job.layer.digest));
    return absl::DataLossError("the layer in the cache was altered; it is dropped");
  }
  cache_index::LayerRecord record;
  record.layer = job.layer.digest;
  record.index = layer.written.index;
  record.blob = layer.written.info.blob;
  record.index_size = layer.written.index_size;
  record.blob_size = layer.written.info.blob_size;
  record.layer_size = layer.layer_size;
  SAMARA_RETURN_IF_ERROR(cache_.store().write({{kOriginTable, record.layer.key(), job.layer.repository.to_string()}}));
  SAMARA_RETURN_IF_ERROR(cache_.publish_layer(directory, record));
  return record;
}

void Conversions::finish(const Job& job, const absl::Status& status) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.erase(job.layer.digest);
    pending_.add(-1);
    if (!status.ok() && !absl::IsCancelled(status)) remember_failure(job.layer.digest, status);
  }
  changed_.notify_all();
  if (status.ok() && options_.on_ready) options_.on_ready(job.layer);
  if (status.ok() || absl::IsCancelled(status)) return;
  failed_.add();
  log::warning("a layer can't be converted", {{"layer", job.layer.digest.to_string()},
                                              {"repository", job.layer.repository.to_string()},
                                              {"error", status}});
}

void Conversions::remember_failure(const Digest& layer, const absl::Status& status) {
  const auto time = is_layers_fault(status) ? options_.remember_bad_layer : options_.remember_outage;
  if (failures_.size() < kMostFailures)
    failures_.insert_or_assign(layer, Failure{std::string(status.message()), clock_.now() + time});
}

void Conversions::drop_old_failures() {
  std::erase_if(failures_, [now = clock_.now()](const auto& entry) { return now >= entry.second.until; });
}

// nullopt when nothing is known of the layer in memory; the cache is asked without the lock.
std::optional<peer::LayerStatus> Conversions::current(const Digest& layer) {
  peer::LayerStatus status;
  if (const auto job = jobs_.find(layer); job != jobs_.end()) {
    status.state = State::kConverting;
    status.bytes_done = job->second->progress.compressed_bytes.load();
    status.bytes_total = job->second->layer.size.value_or(0);
    return status;
  }
  if (const auto failure = failures_.find(layer); failure != failures_.end() && clock_.now() < failure->second.until) {
    status.state = State::kFailed;
    status.error = failure->second.reason;
    return status;
  }
  return std::nullopt;
}

peer::LayerStatus Conversions::status(const Digest& layer, std::chrono::milliseconds wait) {
  std::optional<peer::LayerStatus> status;
  {
    std::unique_lock lock(mutex_);
    const auto settled = [&] {
      status = current(layer);
      return !status || is_final(*status);
    };
    changed_.wait_for(lock, stop_.get_token(), wait, settled);
  }
  if (status) return *status;
  status.emplace();
  std::optional<cache_index::LayerRecord> record;
  if (parent_ != nullptr) record = parent_->arriving(layer);
  if (!record)
    if (auto whole = cache_.converted_layer(layer); whole.ok()) record = *std::move(whole);
  if (record) {
    status->state = State::kConverted;
    status->record = *record;
  }
  return *status;
}

}  // namespace samara::registry_proxy
