// samara.node.v1.Node: NodeStatus and pins as messages.
#include <algorithm>
#include <chrono>
#include <limits>

#include "base/text.h"
#include "node.grpc.pb.h"
#include "snapshotter/server.h"
#include "unix_server.h"

namespace samara::snapshotter {
namespace {

namespace api = samara::node::v1;

void set_layer(const LazyLayers::State& state, api::Layer* out) {
  out->set_slot(state.layer.slot);
  out->set_layer_digest(state.layer.layer.to_string());
  out->set_image_ref(state.layer.image_ref);
  out->set_attached(state.attached);
  if (!state.attached) return;
  out->set_diff_id(state.diff_id.to_string());
  out->set_chunks_present(state.presence.chunks);
  out->set_chunks_total(state.presence.chunks_total);
  out->set_bytes_present(state.presence.bytes);
  out->set_bytes_total(state.presence.bytes_total);
}

api::BackgroundFetch::State to_api(BackgroundFetch::State state) {
  switch (state) {
    case BackgroundFetch::State::kDone: return api::BackgroundFetch::DONE;
    case BackgroundFetch::State::kWaiting: return api::BackgroundFetch::WAITING;
    case BackgroundFetch::State::kFetching: return api::BackgroundFetch::FETCHING;
    case BackgroundFetch::State::kStalled: return api::BackgroundFetch::STALLED;
    case BackgroundFetch::State::kPaused: return api::BackgroundFetch::PAUSED;
  }
  return api::BackgroundFetch::OFF;
}

using cache_index::Cache;

// Both number their codes alike.
grpc::Status to_grpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

void set_pin(const Cache::Pin& pin, const Cache& cache, api::Pin* out) {
  out->set_name(pin.name);
  out->set_reason(pin.reason);
  out->set_expires(pin.expires);
  for (const Digest& member : pin.members) out->add_members(member.to_string());
  out->set_bytes(cache.pinned_bytes(pin));
}

void set_trace(const StartTraces::Known& known, api::Trace* out) {
  out->set_chain_id(known.chain.to_string());
  out->set_image_ref(known.trace.image);
  out->set_starts(known.trace.starts);
  for (const peer::StartTrace::Chunk& chunk : known.trace.chunks) {
    api::TraceChunk* const one = out->add_chunks();
    one->set_diff_id(chunk.first.to_string());
    one->set_chunk(chunk.second);
    one->set_unused(known.trace.unused.contains(chunk));
  }
}

void set_slow_read(const ExplainedRead& explained, api::SlowRead* out) {
  using std::chrono::duration_cast, std::chrono::milliseconds;
  const fuse_fs::SlowRead& read = explained.read;
  out->set_ended_ms(static_cast<std::uint64_t>(duration_cast<milliseconds>(read.ended.time_since_epoch()).count()));
  out->set_took_ms(static_cast<std::uint32_t>(read.took.count()));
  out->set_pid(read.pid);
  out->set_cgroup(read.cgroup);
  out->set_image_ref(explained.image_ref);
  if (!explained.layer.is_null()) out->set_layer_digest(explained.layer.to_string());
  out->set_path(explained.path);
  out->set_offset(read.offset);
  out->set_size(read.size);
  out->set_chunk(explained.chunk);
  out->set_error(read.error);
  if (!explained.fetched) return;
  out->set_source(explained.fetched->source);
  out->set_cause(std::string(peer::to_string(explained.fetched->cause)));
  out->set_fetch_ms(static_cast<std::uint32_t>(explained.fetched->took.count()));
  out->set_queued_ms(static_cast<std::uint32_t>(explained.fetched->queued.count()));
  out->set_failed_attempts(explained.fetched->failed_attempts);
}

void set_image(const cache_index::ImageState& state, api::Image* out) {
  out->set_name(state.image.name);
  if (!state.image.manifest.is_null()) out->set_manifest(state.image.manifest.to_string());
  out->set_complete(state.complete);
  out->set_in_use(state.image.in_use);
  out->set_bytes(state.bytes);
  out->set_bytes_total(state.bytes_total);
  out->set_bytes_shared(state.bytes_shared);
  out->set_last_use(state.last_use);
  for (const Cache::Pin& pin : state.pins) {
    api::Pin* const one = out->add_pins();
    one->set_name(pin.name);
    one->set_reason(pin.reason);
    one->set_expires(pin.expires);
  }
  for (const cache_index::ImageState::Layer& layer : state.layers) {
    api::ImageLayer* const one = out->add_layers();
    one->set_digest(layer.layer.to_string());
    one->set_bytes(layer.bytes);
    one->set_bytes_total(layer.bytes_total);
    one->set_original_bytes(layer.original_bytes);
    for (const std::string& name : layer.shared_with) one->add_shared_with(name);
  }
}

grpc::Status set_removed(const absl::StatusOr<cache_index::ImageCache::Removed>& removed, api::RemovedImages* out) {
  if (!removed.ok()) return to_grpc(removed.status());
  for (const std::string& name : removed->images) out->add_images(name);
  out->set_bytes(removed->bytes);
  for (const cache_index::ImageCache::Kept& kept : removed->kept) {
    api::KeptImage* const one = out->add_kept();
    one->set_name(kept.name);
    one->set_why(kept.why);
  }
  return grpc::Status::OK;
}

Cache::Doing doing(bool plan) { return plan ? Cache::Doing::kPlan : Cache::Doing::kRemove; }

class NodeService final : public api::Node::Service {
 public:
  explicit NodeService(const NodeParts& parts) : parts_(parts) {}

  grpc::Status Pins(grpc::ServerContext*, const api::PinsRequest*, api::PinsResponse* response) override {
    const absl::StatusOr<std::vector<Cache::Pin>> pins = parts_.cache.pins();
    if (!pins.ok()) return to_grpc(pins.status());
    for (const Cache::Pin& pin : *pins) set_pin(pin, parts_.cache, response->add_pins());
    return grpc::Status::OK;
  }

  grpc::Status AddPin(grpc::ServerContext*, const api::AddPinRequest* request, api::Pin* response) override {
    using std::chrono::seconds;
    const auto now = std::chrono::duration_cast<seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    Cache::Pin pin{.name = request->name(), .reason = request->reason(), .expires = 0, .members = members_of(request->name())};
    if (request->seconds() > 0) pin.expires = static_cast<std::uint64_t>(now) + request->seconds();
    if (pin.members.empty()) return to_grpc(absl::NotFoundError(str_cat("no image \"", pin.name, "\" here; `samara image ls` lists them")));
    if (const absl::Status added = parts_.cache.add_pin(pin); !added.ok()) return to_grpc(added);
    set_pin(pin, parts_.cache, response);
    return grpc::Status::OK;
  }

  grpc::Status RemovePin(grpc::ServerContext*, const api::RemovePinRequest* request, api::RemovePinResponse*) override {
    return to_grpc(parts_.cache.remove_pin(request->name()));
  }

  grpc::Status Status(grpc::ServerContext*, const api::StatusRequest*, api::StatusResponse* response) override {
    const NodeStatus status = parts_.status();
    response->set_version(status.version);
    response->set_uptime_seconds(static_cast<std::uint64_t>(status.uptime.count()));
    response->set_mountpoint(status.mountpoint);
    for (const NodeStatus::Site& site : status.sites) {
      api::Site* out = response->add_sites();
      out->set_url(site.url);
      out->set_answers(site.answers);
      out->set_error(site.error);
    }
    for (const LazyLayers::State& layer : status.layers) set_layer(layer, response->add_layers());
    response->set_bytes_fetched(status.bytes_fetched);
    if (status.background) {
      response->mutable_background_fetch()->set_state(to_api(status.background->state));
      response->mutable_background_fetch()->set_layers_left(static_cast<std::uint32_t>(status.background->layers_left));
    }
    response->set_snapshots(status.snapshots);
    response->set_waiting_reads(status.waiting_reads);
    response->set_hung_reads(status.hung_reads);
    response->set_slow_reads(status.slow_reads);
    response->set_takeovers(status.takeovers);
    response->set_known_starts(status.known_starts);
    return grpc::Status::OK;
  }

  grpc::Status Traces(grpc::ServerContext*, const api::TracesRequest* request, api::TracesResponse* response) override {
    if (parts_.traces == nullptr) return grpc::Status::OK;
    const absl::StatusOr<std::vector<StartTraces::Known>> traces = parts_.traces->find(request->image());
    if (!traces.ok()) return to_grpc(traces.status());
    for (const StartTraces::Known& known : *traces) set_trace(known, response->add_traces());
    return grpc::Status::OK;
  }

  grpc::Status Explain(grpc::ServerContext*, const api::ExplainRequest* request, api::ExplainResponse* response) override {
    if (!parts_.explain) return grpc::Status::OK;
    for (const ExplainedRead& read : parts_.explain(request->container())) set_slow_read(read, response->add_reads());
    return grpc::Status::OK;
  }

  grpc::Status Images(grpc::ServerContext*, const api::ImagesRequest* request, api::ImagesResponse* response) override {
    if (parts_.images == nullptr) return grpc::Status::OK;
    const auto images = parts_.images->list();
    if (!images.ok()) return to_grpc(images.status());
    const std::string& name = request->name();
    for (const cache_index::ImageState& state : *images)
      if (name.empty() || state.image.is_meant_by(name)) set_image(state, response->add_images());
    if (name.empty() || response->images_size() > 0) return grpc::Status::OK;
    return to_grpc(absl::NotFoundError(str_cat("no image \"", name, "\" here; `samara image ls` lists them")));
  }

  grpc::Status RemoveImage(grpc::ServerContext*, const api::RemoveImageRequest* request, api::RemovedImages* response) override {
    if (parts_.images == nullptr) return to_grpc(absl::NotFoundError("this node lists no images"));
    return set_removed(parts_.images->remove(request->name(), doing(request->plan())), response);
  }

  grpc::Status PruneImages(grpc::ServerContext*, const api::PruneImagesRequest* request, api::RemovedImages* response) override {
    if (parts_.images == nullptr) return grpc::Status::OK;
    const auto unused = std::min<std::uint64_t>(request->unused_seconds(), std::numeric_limits<std::uint32_t>::max());
    return set_removed(parts_.images->prune(std::chrono::seconds(unused), doing(request->plan())), response);
  }

 private:
  std::vector<Digest> members_of(const std::string& name) {
    if (const auto image = parts_.images == nullptr ? absl::NotFoundError("") : parts_.images->find(name); image.ok()) return image->members();
    if (const absl::StatusOr<Digest> digest = Digest::parse(name); digest.ok()) return {*digest};
    std::vector<Digest> members;
    for (const LazyLayers::State& state : parts_.status().layers) {
      if (state.layer.image_ref == name) members.push_back(state.layer.layer);
    }
    return members;
  }

  const NodeParts parts_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> serve_node(const NodeParts& parts, const std::string& socket) {
  return serve_on_unix_socket(std::make_unique<NodeService>(parts), socket);
}

}  // namespace samara::snapshotter
