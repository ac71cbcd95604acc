// Measures Prepare + Mounts of a container over gRPC with many snapshots about; tests/bench/snapshotter runs it.
// usage: measure_prepare --output FILE        one figure a line: name, value, unit
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "base/text.h"
#include "snapshots.grpc.pb.h"
#include "snapshotter/server.h"
#include "snapshotter_stack.h"

namespace samara::snapshotter {
namespace {

namespace api = containerd::services::snapshots::v1;
using Clock = std::chrono::steady_clock;

constexpr int kLayers = 20;       // lazy, in one image
constexpr int kSnapshots = 1000;  // in all
constexpr int kRounds = 300;
constexpr int kAtOnce = 50;

void must(const grpc::Status& status, const char* what) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s: %s\n", what, status.error_message().c_str());
  std::exit(1);
}

// Milliseconds for what containerd does when it creates a container.
double prepare_and_mounts(api::Snapshots::Stub& stub, const std::string& key, const std::string& parent) {
  const auto start = Clock::now();
  api::PrepareSnapshotRequest prepare;
  prepare.set_key(key);
  prepare.set_parent(parent);
  api::PrepareSnapshotResponse prepared;
  grpc::ClientContext prepare_context, mounts_context;
  must(stub.Prepare(&prepare_context, prepare, &prepared), "Prepare");
  api::MountsRequest mounts;
  mounts.set_key(key);
  api::MountsResponse mounted;
  must(stub.Mounts(&mounts_context, mounts, &mounted), "Mounts");
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
}

void measure(const char* output) {
  SnapshotterStack stack;
  std::vector<TestLayer> layers;
  for (int i = 0; i < kLayers; ++i) layers.push_back(make_file_layer(str_cat("file", i), str_cat("content", i)));
  const std::string top = stack.prepare_lazily(layers, "image");
  const std::string socket = stack.path() + "/s.sock";
  const auto server = serve_snapshots(*stack, socket);
  if (!server.ok()) std::exit(1);
  const auto stub = api::Snapshots::NewStub(grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()));
  for (int i = kLayers; i < kSnapshots; ++i) (void)prepare_and_mounts(*stub, str_cat("other ", i), top);

  std::vector<double> alone;
  for (int i = 0; i < kRounds; ++i) alone.push_back(prepare_and_mounts(*stub, str_cat("container ", i), top));

  std::vector<double> together(kAtOnce);
  std::vector<std::thread> threads;
  for (int i = 0; i < kAtOnce; ++i) {
    threads.emplace_back([&, i] {
      together[static_cast<std::size_t>(i)] = prepare_and_mounts(*stub, str_cat("at once ", i), top);
    });
  }
  for (std::thread& thread : threads) thread.join();

  std::FILE* const file = std::fopen(output, "w");
  if (file == nullptr) std::exit(1);
  std::fprintf(file, "prepare_mounts_p50 %.3f ms\n", quantile(alone, 0.5));
  std::fprintf(file, "prepare_mounts_p99 %.3f ms\n", quantile(alone, 0.99));
  std::fprintf(file, "prepare_mounts_of_50_at_once_slowest %.3f ms\n", quantile(together, 1));
  std::fclose(file);
}

}  // namespace
}  // namespace samara::snapshotter

int main(int argc, char** argv) {
  if (argc != 3 || std::string_view(argv[1]) != "--output") {
    std::fprintf(stderr, "usage: measure_prepare --output FILE\n");
    return 2;
  }
  samara::snapshotter::measure(argv[2]);
}
