// samara.node.v1.Node: NodeStatus as messages.
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

class NodeService final : public api::Node::Service {
 public:
  explicit NodeService(std::function<NodeStatus()> status) : status_(std::move(status)) {}

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
  std::function<NodeStatus()> status_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> serve_node(std::function<NodeStatus()> status, const std::string& socket) {
  return serve_on_unix_socket(std::make_unique<NodeService>(std::move(status)), socket);
}

}  // namespace samara::snapshotter
