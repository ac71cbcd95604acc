#include "snapshotter/layer_finder.h"

#include <algorithm>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::snapshotter {
namespace {

using cache_index::LayerRecord;
using peer::LayerStatus;
using std::chrono::milliseconds;

constexpr std::uint64_t kMaxIndexBytes = 512u << 20;
constexpr std::size_t kMaxFallbacks = 1024;
constexpr std::chrono::minutes kFallbackMemory{5};
// Long enough for a client to give one URL up and try the next.
constexpr std::chrono::seconds kPatience{15};

// The cache compares the digest when it opens an object for the first time.
absl::StatusOr<peer::LayerIndex> open_from(const cache_index::Cache& cache, const Digest& index) {
  SAMARA_RETURN_IF_ERROR(cache.open_object(index).status());
  SAMARA_ASSIGN_OR_RETURN(std::unique_ptr<cache_index::IndexReader> reader,
                          cache_index::IndexReader::open(cache.object_path(index)));
  return peer::LayerIndex(std::move(reader));
}

absl::Status refusal(const LayerStatus& status) {
  if (status.state == LayerStatus::State::kFailed) {
    return absl::FailedPreconditionError(
        str_cat("the site can't convert it: ", std::string_view(status.error).substr(0, 500)));
  }
  return absl::NotFoundError("the site doesn't know it");
}

// A record from elsewhere must speak of the layer we asked for and be of a size that we are ready to fetch.
absl::Status check_record(const LayerRecord& record, const Digest& layer) {
  if (record.layer != layer) return absl::DataLossError("the site answered with another layer");
  if (record.index_size == 0 || record.index_size > kMaxIndexBytes) {
    return absl::DataLossError(str_cat("the index has an impossible size: ", record.index_size));
  }
  return absl::OkStatus();
}

}  // namespace

/// The one caller that may ask the site about a layer just now; others wait, then find the answer in the cache.
class LayerFinder::Turn {
 public:
  Turn(LayerFinder& finder, const Digest& layer) : finder_(finder), layer_(layer) {
    std::unique_lock lock(finder_.mutex_);
    finder_.turn_over_.wait(lock, [&] { return !finder_.asking_.contains(layer_); });
    finder_.asking_.insert(layer_);
  }
  ~Turn() {
    const std::lock_guard lock(finder_.mutex_);
    finder_.asking_.erase(layer_);
    finder_.turn_over_.notify_all();
  }
  Turn(const Turn&) = delete;

 private:
  LayerFinder& finder_;
  Digest layer_;
};

LayerFinder::LayerFinder(cache_index::Cache& cache, LayerSite* site, Clock& clock, Metrics& metrics,
                         const Options& options)
    : cache_(cache),
      site_(site),
      clock_(clock),
      index_bytes_(metrics.counter("samara_fetched_bytes_total", "Bytes of frames and indexes that came from a source",
                                   {{"source", "site-indexes"}})),
      options_(options),
      pool_("prefetch-index", options.prefetch_threads) {}

LayerFinder::~LayerFinder() { stop(); }

absl::StatusOr<LayerFinder::Found> LayerFinder::find(const LayerRequest& request, const std::optional<Digest>& parent) {
  if (absl::StatusOr<Found> found = find_local(request, parent); !absl::IsNotFound(found.status())) return found;
  if (site_ == nullptr) return absl::NotFoundError("it isn't here, and there is no site to ask");
  prefetch(request);
  const Turn turn(*this, request.layer);
  if (absl::StatusOr<Found> found = find_local(request, parent); !absl::IsNotFound(found.status())) return found;
  return ask(request, parent);
}

absl::StatusOr<LayerFinder::Found> LayerFinder::find_local(const LayerRequest& request,
                                                           const std::optional<Digest>& parent) {
  SAMARA_ASSIGN_OR_RETURN(const LayerRecord record, cache_.layer(request.layer));
  if (!cache_.has_object(record.index)) return absl::NotFoundError("its index isn't here");
  absl::StatusOr<peer::LayerIndex> index = open_from(cache_, record.index);
  if (index.ok()) return prove(record, *std::move(index), request, parent);
  log::warning("an index is damaged; it is fetched again",
               {{"layer", request.layer.brief()}, {"index", record.index.brief()}, {"error", index.status()}});
  SAMARA_RETURN_IF_ERROR(cache_.remove_object(record.index));
  return absl::NotFoundError("its index was damaged");
}

absl::StatusOr<LayerFinder::Found> LayerFinder::ask(const LayerRequest& request, const std::optional<Digest>& parent) {
  WaitPolicy policy(options_.wait, clock_.now());
  const bool patient = is_patient(request.image_ref);
  milliseconds wait{0};
  for (;;) {
    SAMARA_ASSIGN_OR_RETURN(const LayerStatus status, query(request, wait));
    if (status.state == LayerStatus::State::kConverted) {
      SAMARA_RETURN_IF_ERROR(fetch_index(status.record, request));
      SAMARA_ASSIGN_OR_RETURN(peer::LayerIndex index, open_from(cache_, status.record.index));
      SAMARA_ASSIGN_OR_RETURN(Found found, prove(status.record, std::move(index), request, parent));
      SAMARA_RETURN_IF_ERROR(cache_.put_layer(status.record));
      return found;
    }
    if (status.state != LayerStatus::State::kConverting) return refusal(status);
    wait = patient ? policy.next_wait(clock_.now(), status.bytes_done, status.bytes_total) : milliseconds(0);
    if (wait == milliseconds(0)) {
      return absl::UnavailableError(
          str_cat("the site has converted ", status.bytes_done, " of ", status.bytes_total, " bytes of it so far"));
    }
  }
}

absl::StatusOr<LayerStatus> LayerFinder::query(const LayerRequest& request, milliseconds wait) {
  if (site_is_away()) return absl::UnavailableError("the site didn't answer a moment ago");
  absl::StatusOr<LayerStatus> status = ask_site(request, wait, wait + options_.site_answer);
  if (!absl::IsCancelled(status.status())) return status;
  ask_patiently(request);
  return absl::UnavailableError("the site doesn't answer in time");
}

absl::StatusOr<LayerStatus> LayerFinder::ask_site(const LayerRequest& request, milliseconds wait,
                                                  milliseconds deadline) {
  peer::SiteClient::LayerQuery query;
  query.layer = request.layer;
  query.registry = request.image.registry;
  query.repository = request.image.repository;
  query.wait = wait;
  const Deadlines::Armed armed = deadlines_.arm(deadline);
  absl::StatusOr<LayerStatus> status = site_->layer_status(query, armed.token());
  note_site(status.status());
  return status;
}

void LayerFinder::ask_patiently(const LayerRequest& request) {
  const std::lock_guard lock(mutex_);
  if (asking_patiently_ || deadlines_.stopped()) return;
  asking_patiently_ = true;
  pool_.run([this, request] {
    // note_site() is all that comes of it.
    (void)ask_site(request, milliseconds(0), kPatience);
    const std::lock_guard done(mutex_);
    asking_patiently_ = false;
  });
}

absl::Status LayerFinder::fetch_index(const LayerRecord& record, const LayerRequest& request) {
  SAMARA_RETURN_IF_ERROR(check_record(record, request.layer));
  if (cache_.has_object(record.index)) return absl::OkStatus();
  const WaitPolicy policy(options_.wait, clock_.now());
  return fetch_object(record.index, record.index_size,
                      options_.site_answer + policy.limit(std::max(record.layer_size, record.blob_size)));
}

absl::Status LayerFinder::fetch_object(const Digest& index, std::uint64_t size, milliseconds deadline) {
  const Deadlines::Armed armed = deadlines_.arm(deadline);
  const absl::Status status = site_->fetch_object(index, size, armed.token());
  if (status.ok()) index_bytes_.add(static_cast<double>(size));
  return annotate(absl::IsCancelled(status) ? absl::UnavailableError("it doesn't come in time") : status, "its index");
}

absl::StatusOr<LayerFinder::Found> LayerFinder::prove(const LayerRecord& record, peer::LayerIndex index,
                                                      const LayerRequest& request,
                                                      const std::optional<Digest>& parent) {
  const cache_index::LayerInfo& info = index->info();
  if (info.blob != record.blob) return absl::DataLossError("its index speaks of another blob");
  if (chain_id(parent, info.diff_id) != request.chain_id) {
    return absl::DataLossError(str_cat("diffID ", info.diff_id.to_string(), " doesn't make chainID ", request.target));
  }
  return Found{record, std::move(index)};
}

absl::StatusOr<peer::LayerIndex> LayerFinder::open_index(const Digest& index, std::uint64_t size) {
  if (!cache_.has_object(index)) {
    if (site_ == nullptr) return absl::UnavailableError("the index isn't here, and there is no site to ask");
    if (site_is_away()) return absl::UnavailableError("the index isn't here, and the site didn't answer a moment ago");
    SAMARA_RETURN_IF_ERROR(fetch_object(index, size, kPatience));
  }
  return open_from(cache_, index);
}

// Each following layer once, in the background: the question makes the site convert it, and a converted one's index is
// here before containerd asks.
void LayerFinder::prefetch(const LayerRequest& request) {
  const std::lock_guard lock(mutex_);
  for (const Digest& layer : request.following) {
    if (layer == request.layer || !prefetching_.insert(layer).second) continue;
    LayerRequest following = request;
    following.layer = layer;
    following.following.clear();
    pool_.run([this, following = std::move(following)] {
      if (!deadlines_.stopped()) prefetch_one(following);
      const std::lock_guard done(mutex_);
      prefetching_.erase(following.layer);
    });
  }
}

void LayerFinder::prefetch_one(const LayerRequest& request) {
  const absl::StatusOr<LayerRecord> known = cache_.layer(request.layer);
  if ((known.ok() && cache_.has_object(known->index)) || is_being_asked(request.layer)) return;
  const Turn turn(*this, request.layer);
  const absl::StatusOr<LayerStatus> status = query(request, milliseconds(0));
  if (!status.ok() || status->state != LayerStatus::State::kConverted) return;
  // Only the object: which layer it really is, is proved when containerd asks for it.
  const absl::Status fetched = fetch_index(status->record, request);
  if (!fetched.ok()) {
    log::debug("an index couldn't be fetched early", {{"layer", request.layer.brief()}, {"error", fetched}});
  }
}

void LayerFinder::note_fallback(const std::string& image_ref) {
  if (image_ref.empty()) return;
  const std::lock_guard lock(mutex_);
  const TimePoint now = clock_.now();
  std::erase_if(fallbacks_, [&](const auto& entry) { return entry.second <= now; });
  if (fallbacks_.size() >= kMaxFallbacks) fallbacks_.clear();
  fallbacks_[image_ref] = now + kFallbackMemory;
}

bool LayerFinder::is_patient(const std::string& image_ref) {
  const std::lock_guard lock(mutex_);
  const auto found = fallbacks_.find(image_ref);
  return found == fallbacks_.end() || found->second <= clock_.now();
}

bool LayerFinder::is_being_asked(const Digest& layer) {
  const std::lock_guard lock(mutex_);
  return asking_.contains(layer);
}

bool LayerFinder::site_is_away() {
  const std::lock_guard lock(mutex_);
  return site_away_until_ && clock_.now() < *site_away_until_;
}

void LayerFinder::note_site(const absl::Status& status) {
  const bool away = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsCancelled(status);
  bool was_away = false;
  {
    const std::lock_guard lock(mutex_);
    was_away = site_away_until_.has_value();
    site_away_until_ = away ? std::optional(clock_.now() + options_.site_retry) : std::nullopt;
  }
  if (away && !was_away) {
    log::warning("the site doesn't answer; images start the ordinary way unless their layers are here",
                 {{"error", status}});
  }
  if (!away && was_away) log::info("the site answers again");
}

}  // namespace samara::snapshotter
