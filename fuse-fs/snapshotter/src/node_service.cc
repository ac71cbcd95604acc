// samara.node.v1.Node: NodeStatus and pins as messages.
#include <chrono>

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

class NodeService final : public api::Node::Service {
 public:
  NodeService(std::function<NodeStatus()> status, Cache& cache) : status_(std::move(status)), cache_(cache) {}

  grpc::Status Pins(grpc::ServerContext*, const api::PinsRequest*, api::PinsResponse* response) override {
    const absl::StatusOr<std::vector<Cache::Pin>> pins = cache_.pins();
    if (!pins.ok()) return to_grpc(pins.status());
    for (const Cache::Pin& pin : *pins) set_pin(pin, cache_, response->add_pins());
    return grpc::Status::OK;
  }

  grpc::Status AddPin(grpc::ServerContext*, const api::AddPinRequest* request, api::Pin* response) override {
    using std::chrono::seconds;
    const auto now = std::chrono::duration_cast<seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    Cache::Pin pin{.name = request->name(), .reason = request->reason(), .expires = 0, .members = members_of(request->name())};
    if (request->seconds() > 0) pin.expires = static_cast<std::uint64_t>(now) + request->seconds();
    if (pin.members.empty()) return to_grpc(absl::NotFoundError(str_cat("no layer in the mount came with ", pin.name)));
    if (const absl::Status added = cache_.add_pin(pin); !added.ok()) return to_grpc(added);
    set_pin(pin, cache_, response);
    return grpc::Status::OK;
  }

  grpc::Status RemovePin(grpc::ServerContext*, const api::RemovePinRequest* request, api::RemovePinResponse*) override {
    return to_grpc(cache_.remove_pin(request->name()));
  }

  grpc::Status Status(grpc::ServerContext*, const api::StatusRequest*, api::StatusResponse* response) override {
    const NodeStatus status = status_();
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
    return grpc::Status::OK;
  }

 private:
  std::vector<Digest> members_of(const std::string& name) {
    if (const absl::StatusOr<Digest> digest = Digest::parse(name); digest.ok()) return {*digest};
    std::vector<Digest> members;
    for (const LazyLayers::State& state : status_().layers) {
      if (state.layer.image_ref == name) members.push_back(state.layer.layer);
    }
    return members;
  }

  std::function<NodeStatus()> status_;
  Cache& cache_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> serve_node(std::function<NodeStatus()> status, cache_index::Cache& cache,
                                                   const std::string& socket) {
  return serve_on_unix_socket(std::make_unique<NodeService>(std::move(status), cache), socket);
}

}  // namespace samara::snapshotter
