#include "registry_proxy/parent_layers.h"

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "conditions.h"
#include "range_answer.h"

/// What is asked of the parent, and what nodes get; parent_bulk.cc brings the rest.
namespace samara::registry_proxy {
namespace {

using cache_index::LayerRecord;
using std::chrono::milliseconds;
using State = peer::LayerStatus::State;

/// The parent holds an answer back for so long while it converts.
constexpr milliseconds kAskWait{5'000};

peer::SiteClient::LayerQuery query_for(const BlobRef& layer, milliseconds wait) {
  return {.layer = layer.digest,
          .registry = layer.repository.registry,
          .repository = layer.repository.name,
          .size = layer.size.value_or(0),
          .wait = wait};
}

std::vector<peer::RangeSource*> sources(peer::Siblings* siblings, peer::LinkSource& parent) {
  if (siblings == nullptr) return {&parent};
  return {siblings, &parent};
}

}  // namespace

std::vector<std::string> ParentLayers::tables() { return {"parent_layers"}; }

ParentLayers::ParentLayers(cache_index::Cache& cache, peer::SiteClient& parent, peer::Link& link, peer::Siblings* siblings,
                           Clock& clock, Metrics& metrics, const Options& options)
    : cache_(cache),
      parent_(parent),
      link_(link),
      parent_source_(parent, link),
      siblings_(siblings),
      options_(options),
      taken_(metrics.counter("samara_site_layers_total", "Layers by how their conversion ended.", {{"result", "parent"}})),
      arriving_gauge_(metrics.gauge("samara_site_arriving_blobs", "Blobs of which the rest is still to come from the parent")),
      given_(metrics.counter("samara_site_arriving_sent_bytes_total", "Bytes given of blobs that were not here whole")),
      fetcher_(peer::ChunkFetcher::create(cache, sources(siblings, parent_source_), metrics, clock, options.fetcher)) {
  load();
}

ParentLayers::~ParentLayers() { stop(); }

absl::StatusOr<LayerRecord> ParentLayers::take(const BlobRef& layer, const std::optional<Digest>& diff_id,
                                               std::atomic<std::uint64_t>& bytes_done, std::stop_token stop) {
  if (const auto known = arriving(layer.digest)) return *known;
  const absl::StatusOr<peer::LayerStatus> status = ask(layer, bytes_done, stop);
  SAMARA_RETURN_IF_ERROR(status.status());
  if (status->state != State::kConverted)
    return absl::NotFoundError(str_cat("the parent site: ", status->error.empty() ? "not converted there" : status->error));
  LayerRecord record = status->record;
  if (record.layer_size == 0) record.layer_size = layer.size.value_or(0);
  SAMARA_RETURN_IF_ERROR(bring_index(layer, record, stop));
  SAMARA_ASSIGN_OR_RETURN(const ArrivingPtr taken, open(record));
  const Digest& made_of = taken->frames->layer()->info().diff_id;
  if (diff_id && made_of != *diff_id)
    return absl::DataLossError(str_cat("the parent's index is of ", made_of.to_string(), ", and the layer's diffID is ", diff_id->to_string()));
  SAMARA_RETURN_IF_ERROR(cache_.put_layer(record));
  SAMARA_RETURN_IF_ERROR(cache_.store().write({{"parent_layers", record.layer.key(), ""}}));
  add(taken);
  taken_.add();
  log::info("a layer comes from the parent site", {{"layer", record.layer.to_string()},
                                                   {"repository", layer.repository.to_string()},
                                                   {"index", record.index.brief()},
                                                   {"blob_bytes", record.blob_size},
                                                   {"index_bytes", record.index_size}});
  return record;
}

absl::StatusOr<peer::LayerStatus> ParentLayers::ask(const BlobRef& layer, std::atomic<std::uint64_t>& bytes_done,
                                                    std::stop_token stop) {
  if (link_.is_resting()) return absl::UnavailableError("the parent site didn't answer just now");
  const auto begun = std::chrono::steady_clock::now();
  while (true) {
    absl::StatusOr<peer::LayerStatus> status = parent_.layer_status(query_for(layer, kAskWait), stop);
    if (!stop.stop_requested()) link_.note(status.status());
    if (!status.ok() || status->state != State::kConverting) return status;
    bytes_done = status->bytes_done;
    if (std::chrono::steady_clock::now() - begun > options_.wait)
      return absl::NotFoundError("the parent site takes too long to convert it");
  }
}

absl::Status ParentLayers::bring_index(const BlobRef& layer, const LayerRecord& record, std::stop_token stop) {
  if (cache_.has_object(record.index)) return absl::OkStatus();
  if (bring_index_from_siblings(layer, record, stop).ok()) return absl::OkStatus();
  SAMARA_ASSIGN_OR_RETURN(const auto writer, cache_.create_object(record.index));
  if (writer->size() < record.index_size) {
    const ByteRange rest{writer->size(), record.index_size};
    SAMARA_RETURN_IF_ERROR(parent_source_.fetch_as(peer::Traffic::kIndex, record.index, rest, stop,
                                                   [&](auto bytes) { return writer->append(bytes); }));
  }
  return writer->commit();
}

/// A sibling that is to bring the blob is asked for the layer first, so that it begins.
absl::Status ParentLayers::bring_index_from_siblings(const BlobRef& layer, const LayerRecord& record, std::stop_token stop) {
  absl::Status error = absl::NotFoundError("no sibling is to bring it");
  if (siblings_ == nullptr) return error;
  for (peer::SiteClient* const sibling : siblings_->before_us(record.blob)) {
    const auto status = sibling->layer_status(query_for(layer, kAskWait), stop);
    siblings_->note(sibling, status.status());
    error = status.status();
    if (!status.ok() || status->state != State::kConverted || status->record.index != record.index) continue;
    error = sibling->fetch_object(record.index, record.index_size, cache_, stop);
    if (error.ok()) return error;
  }
  return error;
}

absl::StatusOr<ParentLayers::ArrivingPtr> ParentLayers::open(const LayerRecord& record) const {
  SAMARA_ASSIGN_OR_RETURN(const peer::LayerIndex index, cache_index::IndexReader::open(cache_.object_path(record.index)));
  if (index->info().blob != record.blob || index->info().blob_size != record.blob_size)
    return absl::DataLossError(str_cat("the index ", record.index.to_string(), " is of another blob"));
  SAMARA_ASSIGN_OR_RETURN(auto frames, peer::BlobFrames::of(index));
  return std::make_shared<const Arriving>(Arriving{record, std::move(frames)});
}

std::optional<LayerRecord> ParentLayers::arriving(const Digest& layer) const {
  const std::lock_guard lock(mutex_);
  const auto it = layers_.find(layer);
  return it == layers_.end() ? std::nullopt : std::optional(it->second);
}

ParentLayers::ArrivingPtr ParentLayers::find(const Digest& blob) const {
  const std::lock_guard lock(mutex_);
  const auto it = blobs_.find(blob);
  return it == blobs_.end() ? nullptr : it->second;
}

peer::LayerIndex ParentLayers::index_of(const Digest& blob) const {
  const ArrivingPtr found = find(blob);
  return found == nullptr ? nullptr : found->frames->layer();
}

std::vector<peer::LayerIndex> ParentLayers::indexes() const {
  std::vector<peer::LayerIndex> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [blob, arriving] : blobs_) all.push_back(arriving->frames->layer());
  return all;
}

std::vector<ParentLayers::Progress> ParentLayers::progress() const {
  std::vector<Progress> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [layer, record] : layers_) all.push_back({record, 0});
  }
  for (Progress& one : all) {
    const peer::LayerIndex index = index_of(one.record.blob);
    const auto presence = index == nullptr ? absl::NotFoundError("it has come") : cache_.presence(*index);
    one.bytes_here = presence.ok() ? presence->bytes : one.record.blob_size;
  }
  return all;
}

bool ParentLayers::answer(const Digest& blob, const http::Request& request, http::ResponseWriter& out) {
  const ArrivingPtr arriving = find(blob);
  if (arriving == nullptr) return false;
  const auto answer = choose_range(request.headers.get("Range"), arriving->record.blob_size, out);
  if (!answer) return true;
  if (answer->range.empty() || out.is_head()) {
    (void)answer->begin(blob, out);  // a client that left needs no answer
    return true;
  }
  const peer::FetchClass urgency = peer::fetch_class(request.headers.get(peer::kClassHeader));
  // What was refused in the background would be asked for again only much later.
  const bool needs_seat = !request.headers.get(peer::kOthersHeader).empty() && urgency != peer::FetchClass::kBackground;
  const peer::FrameGift gift{.urgency = urgency,
                             .patience = options_.patience,
                             .seats = needs_seat ? &seats_ : nullptr,
                             .begin = [&] { return answer->begin(blob, out); },
                             .given = [this](std::uint64_t bytes) { given_.add(static_cast<double>(bytes)); }};
  const absl::Status given = peer::give_range(*fetcher_, *arriving->frames, answer->range, gift, out);
  // Begun, it ends short, and the node asks for the rest again.
  if (!given.ok() && !out.started())
    (void)out.respond(503, str_cat("it doesn't come from the parent site: ", to_std(given.message()), "\n"), "text/plain");
  return true;
}

}  // namespace samara::registry_proxy
