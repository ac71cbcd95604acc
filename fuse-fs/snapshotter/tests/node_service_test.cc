#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "memory_store.h"
#include "node.grpc.pb.h"
#include "snapshotter/server.h"
#include "snapshotter_stack.h"

namespace samara::snapshotter {
namespace {

namespace api = node::v1;

class NodeServiceTest : public ::testing::Test {
 protected:
  api::StatusResponse ask(const NodeStatus& status) {
    const std::string socket = stack_.path() + "/node.sock";
    const auto server = serve_node({.status = [&] { return status; }, .cache = stack_.cache()}, socket);
    EXPECT_TRUE(server.ok()) << server.status();
    const auto stub = api::Node::NewStub(grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    api::StatusResponse response;
    EXPECT_TRUE(stub->Status(&context, api::StatusRequest(), &response).ok());
    return response;
  }
  SnapshotterStack stack_;
};

TEST_F(NodeServiceTest, TellsWhatTheNodeIs) {
  NodeStatus status;
  status.version = "1.2.3";
  status.uptime = std::chrono::minutes(2);
  status.mountpoint = "/var/lib/samara/node/layers";
  status.sites = {{"http://a:1", true, ""}, {"http://b:2", false, "connection refused"}};
  status.bytes_fetched = 77;
  status.background = BackgroundFetch::Progress{BackgroundFetch::State::kFetching, 3};
  status.snapshots = 9;
  status.waiting_reads = 5;
  status.hung_reads = 4;
  status.slow_reads = 3;
  status.takeovers = 2;
  status.known_starts = 1;

  const api::StatusResponse response = ask(status);

  EXPECT_EQ(response.version(), "1.2.3");
  EXPECT_EQ(response.uptime_seconds(), 120u);
  EXPECT_EQ(response.mountpoint(), status.mountpoint);
  ASSERT_EQ(response.sites_size(), 2);
  EXPECT_TRUE(response.sites(0).answers());
  EXPECT_EQ(response.sites(1).error(), "connection refused");
  EXPECT_EQ(response.bytes_fetched(), 77u);
  EXPECT_EQ(response.background_fetch().state(), api::BackgroundFetch::FETCHING);
  EXPECT_EQ(response.background_fetch().layers_left(), 3u);
  EXPECT_EQ(response.snapshots(), 9u);
  EXPECT_EQ(response.waiting_reads(), 5u);
  EXPECT_EQ(response.hung_reads(), 4u);
  EXPECT_EQ(response.slow_reads(), 3u);
  EXPECT_EQ(response.takeovers(), 2u);
  EXPECT_EQ(response.known_starts(), 1u);
}

TEST_F(NodeServiceTest, TellsHowMuchOfEachLayerIsHere) {
  const TestLayer layer = make_file_layer("big", cache_index::sample_bytes(1, 2 << 20));
  stack_.prepare_lazily({layer}, "docker.io/library/python:3");
  const peer::LayerIndex index = stack_.mount().attached().at(1);
  const cache_index::Chunk chunk = *index->chunk(0);
  ASSERT_TRUE(stack_.cache().put_frame(layer.record.blob, chunk, as_bytes(layer.blob).subspan(0, chunk.blob_size)).ok());
  NodeStatus status;
  status.layers = stack_.layers().states();

  const api::StatusResponse response = ask(status);

  ASSERT_EQ(response.layers_size(), 1);
  const api::Layer& out = response.layers(0);
  EXPECT_TRUE(out.attached());
  EXPECT_EQ(out.layer_digest(), layer.record.layer.to_string());
  EXPECT_EQ(out.diff_id(), layer.diff_id.to_string());
  EXPECT_EQ(out.image_ref(), "docker.io/library/python:3");
  EXPECT_EQ(out.chunks_present(), 1u);
  EXPECT_EQ(out.chunks_total(), index->info().chunk_count);
  EXPECT_EQ(out.bytes_present(), chunk.blob_size);
  EXPECT_EQ(out.bytes_total(), layer.record.blob_size);
  EXPECT_EQ(response.background_fetch().state(), api::BackgroundFetch::OFF);
}

TEST_F(NodeServiceTest, PinsTheLayersOfAnImage) {
  NodeStatus status;
  status.layers.resize(1);
  status.layers[0].layer.layer = make_file_layer("pinned", "bytes").record.layer;
  status.layers[0].layer.image_ref = "docker.io/library/python:3";
  const std::string socket = stack_.path() + "/node.sock";
  const auto server = serve_node({.status = [&] { return status; }, .cache = stack_.cache()}, socket);
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = api::Node::NewStub(grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()));
  grpc::ClientContext add, add_unknown, list, remove, remove_again;
  api::AddPinRequest wanted, unknown;
  wanted.set_name("docker.io/library/python:3");
  wanted.set_reason("a batch");
  unknown.set_name("docker.io/library/other:3");
  api::Pin pin;
  api::PinsResponse pins;
  api::RemovePinRequest unwanted;
  unwanted.set_name(wanted.name());
  api::RemovePinResponse removed;

  const grpc::Status added = stub->AddPin(&add, wanted, &pin);
  const grpc::Status refused = stub->AddPin(&add_unknown, unknown, &pin);

  EXPECT_TRUE(added.ok()) << added.error_message();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::NOT_FOUND);
  ASSERT_TRUE(stub->Pins(&list, {}, &pins).ok());
  ASSERT_EQ(pins.pins_size(), 1);
  EXPECT_EQ(pins.pins(0).reason(), "a batch");
  EXPECT_EQ(pins.pins(0).expires(), 0u);
  EXPECT_EQ(pins.pins(0).members(0), status.layers[0].layer.layer.to_string());
  EXPECT_TRUE(stub->RemovePin(&remove, unwanted, &removed).ok());
  EXPECT_EQ(stub->RemovePin(&remove_again, unwanted, &removed).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(NodeServiceTest, TellsOfImagesAndRemovesThem) {
  MemoryStore store;
  NodeImages names(store);
  cache_index::ImageCache images(stack_.cache(), names, stack_.clock());
  const TestLayer layer = make_file_layer("file", "content");
  ASSERT_TRUE(stack_.cache().put_object(layer.record.index, as_bytes(layer.index)).ok() && stack_.cache().put_layer(layer.record).ok());
  LayerRequest pulled;
  pulled.image_ref = "docker.io/library/python:3";
  pulled.layer = layer.record.layer;
  names.note_pulled(pulled);
  const std::string socket = stack_.path() + "/node.sock";
  const auto server = serve_node({.status = [] { return NodeStatus(); }, .cache = stack_.cache(), .images = &images}, socket);
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = api::Node::NewStub(grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()));
  grpc::ClientContext all_context, unknown_context, pin_context, kept_context, unpin_context, prune_context, rest_context;
  api::ImagesRequest unknown;
  api::ImagesResponse all, rest;
  api::AddPinRequest wanted;
  api::RemovePinRequest unwanted;
  api::RemoveImageRequest remove;
  api::RemovedImages removed, pruned;
  api::Pin pin;
  api::RemovePinResponse unpinned;
  unknown.set_name("docker.io/library/other:3");
  wanted.set_name(pulled.image_ref);
  unwanted.set_name(pulled.image_ref);
  remove.set_name(pulled.image_ref);

  ASSERT_TRUE(stub->Images(&all_context, {}, &all).ok());
  const grpc::Status not_found = stub->Images(&unknown_context, unknown, &rest);
  ASSERT_TRUE(stub->AddPin(&pin_context, wanted, &pin).ok());
  const grpc::Status kept = stub->RemoveImage(&kept_context, remove, &removed);
  ASSERT_TRUE(stub->RemovePin(&unpin_context, unwanted, &unpinned).ok());
  ASSERT_TRUE(stub->PruneImages(&prune_context, {}, &pruned).ok());
  ASSERT_TRUE(stub->Images(&rest_context, {}, &rest).ok());

  ASSERT_EQ(all.images_size(), 1);
  EXPECT_EQ(all.images(0).name(), pulled.image_ref);
  EXPECT_FALSE(all.images(0).complete());  // the index alone is here
  ASSERT_EQ(all.images(0).layers_size(), 1);
  EXPECT_EQ(all.images(0).layers(0).bytes(), layer.record.index_size);
  EXPECT_EQ(not_found.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(pin.members(0), layer.record.layer.to_string());
  EXPECT_EQ(kept.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  ASSERT_EQ(pruned.images_size(), 1);
  EXPECT_EQ(rest.images_size(), 0);
  EXPECT_FALSE(stack_.cache().has_object(layer.record.index));
}

}  // namespace
}  // namespace samara::snapshotter
