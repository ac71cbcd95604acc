// One machine of a site whose nodes read from each other, without containers: for the benchmark of that by itself.
//
//   neighbour_peer site --root DIR --listen ADDRESS:PORT BLOB                 gives BLOB; prints its digest
//   neighbour_peer node --root DIR --listen ADDRESS:PORT --site URL INDEX     reads a part of the blob in an order that
//        looks random and is the same on every node; prints "ready" once it knows of --others, waits for a line on its
//        input, then prints
//        "seconds S p50 MS p99 MS site BYTES neighbours BYTES"
//
// Each goes on giving until SIGTERM; the site then prints "sent BYTES".
#include <CLI/CLI.hpp>
#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <iostream>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "base/http/server.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "peer/neighbour_service.h"
#include "peer/neighbour_source.h"
#include "peer/site_client.h"
#include "seed/neighbour_lists.h"

namespace samara {
namespace {

struct Arguments {
  std::string root, listen, site, subject;
  double share = 0.25;       // of the chunks that are read
  std::size_t parallel = 4;  // reads at once
  std::uint32_t seed = 1;    // of the order
  std::size_t others = 0;    // nodes to wait for
  bool alone = false;        // without neighbours
};

void wait_for_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  int signal = 0;
  sigwait(&signals, &signal);
}

absl::Status run_site(const Arguments& arguments) {
  SAMARA_ASSIGN_OR_RETURN(const auto cache, cache_index::Cache::open({.root = arguments.root}));
  SAMARA_ASSIGN_OR_RETURN(const std::string bytes, read_file(arguments.subject, std::uint64_t{4} << 30));
  const Digest blob = cache_index::sha256(as_bytes(bytes));
  SAMARA_RETURN_IF_ERROR(cache->put_object(blob, as_bytes(bytes)));
  SAMARA_ASSIGN_OR_RETURN(const cache_index::ObjectFile file, cache->open_object(blob));
  SAMARA_ASSIGN_OR_RETURN(auto key, cache_index::SigningKey::load_or_create(arguments.root + "/site.key"));
  SystemClock clock;
  seed::NeighbourLists lists(*cache, clock, std::move(key), {});
  std::atomic<std::uint64_t> sent{0};
  const auto handle = [&](const http::Request& request, http::ResponseWriter& out) {
    if (lists.handle(request, out)) return;
    const absl::StatusOr<ByteRange> range = parse_range(request.headers.get("Range"), file.size);
    if (!range.ok()) return (void)out.respond(416);
    out.header("Content-Range", str_cat("bytes ", range->begin, "-", range->end - 1, "/", file.size));
    if (out.begin(206, range->size()).ok() && out.write_file(file.fd.get(), range->begin, range->size()).ok()) sent += range->size();
  };
  SAMARA_ASSIGN_OR_RETURN(const auto server, http::Server::create({.listen = arguments.listen}, handle));
  std::cout << blob.to_string() << std::endl;
  wait_for_signal();
  server->stop();
  std::cout << "sent " << sent << std::endl;
  return absl::OkStatus();
}

/// Reads `order` with so many reads under way; what each took, in milliseconds.
absl::StatusOr<std::vector<double>> read_all(peer::ChunkFetcher& fetcher, const peer::LayerIndex& layer,
                                             const std::vector<std::uint32_t>& order, std::size_t parallel) {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t under_way = 0;
  std::vector<double> took;
  absl::Status failed;
  for (const std::uint32_t chunk : order) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return under_way < parallel; });
    ++under_way;
    lock.unlock();
    const auto begin = std::chrono::steady_clock::now();
    fetcher.read(layer, chunk, peer::FetchClass::kBlocking, [&, begin](const absl::StatusOr<peer::ChunkBytes>& bytes) {
      const std::chrono::duration<double, std::milli> duration = std::chrono::steady_clock::now() - begin;
      const std::lock_guard guard(mutex);
      took.push_back(duration.count());
      if (!bytes.ok()) failed = bytes.status();
      --under_way;
      changed.notify_all();
    });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return under_way == 0; });
  SAMARA_RETURN_IF_ERROR(failed);
  return took;
}

/// A share of the chunks, each frame once.
std::vector<std::uint32_t> order_of(const cache_index::IndexReader& layer, const Arguments& arguments) {
  std::vector<std::uint32_t> order(layer.info().chunk_count);
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), std::minstd_rand(arguments.seed));
  order.resize(static_cast<std::size_t>(arguments.share * static_cast<double>(order.size())));
  return order;
}

absl::Status run_node(const Arguments& arguments) {
  SAMARA_ASSIGN_OR_RETURN(const auto cache, cache_index::Cache::open({.root = arguments.root}));
  SAMARA_ASSIGN_OR_RETURN(std::unique_ptr<cache_index::IndexReader> index, cache_index::IndexReader::open(arguments.subject));
  const peer::LayerIndex layer = std::move(index);
  const std::vector<std::uint32_t> order = order_of(*layer, arguments);
  Metrics metrics;
  SystemClock clock;
  http::Client client;
  peer::SiteClient site(client, {arguments.site});
  peer::Neighbours::Options options;
  options.url = str_cat("http://", arguments.listen);
  options.blobs = [&] { return std::vector<Digest>{layer->info().blob}; };
  peer::Neighbours neighbours(client, {arguments.site}, {}, clock, options);
  using Who = peer::NeighbourSource::Who;
  peer::NeighbourSource owners(client, neighbours, Who::kOwners), anybody(client, neighbours, Who::kAnybody);
  std::vector<peer::RangeSource*> sources = {&owners, &site, &anybody};
  if (arguments.alone) sources = {&site};
  const auto fetcher = peer::ChunkFetcher::create(*cache, sources, metrics, clock, {.memory_bytes = 1u << 20});
  peer::NeighbourService service(
      *cache, *fetcher, neighbours, [&](const Digest& blob) { return blob == layer->info().blob ? layer : nullptr; }, metrics, {});
  SAMARA_ASSIGN_OR_RETURN(const auto server, http::Server::create({.listen = arguments.listen}, [&](const auto& request, auto& out) {
                            service.handle(request, out);
                          }));
  if (!arguments.alone) neighbours.start();
  while (!arguments.alone && neighbours.anybody(layer->info().blob, 0).urls.size() < arguments.others) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::cout << "ready" << std::endl;
  std::string line;
  std::getline(std::cin, line);

  const auto begin = std::chrono::steady_clock::now();
  absl::StatusOr<std::vector<double>> took = read_all(*fetcher, layer, order, arguments.parallel);
  SAMARA_RETURN_IF_ERROR(took.status());
  const std::chrono::duration<double> all = std::chrono::steady_clock::now() - begin;
  std::sort(took->begin(), took->end());
  const auto from = [&](const char* source) {
    return static_cast<std::uint64_t>(metrics.counter("samara_fetched_bytes_total", "", {{"source", source}}).value());
  };
  std::cout << "seconds " << all.count() << " p50 " << (*took)[took->size() / 2] << " p99 " << (*took)[took->size() * 99 / 100]
            << " site " << from("site") << " neighbours " << from("neighbours") << std::endl;
  wait_for_signal();
  server->stop();
  neighbours.stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace samara

int main(int argc, char** argv) {
  using namespace samara;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  Arguments arguments;
  CLI::App app{"One machine of a site whose nodes read from each other", "neighbour_peer"};
  app.require_subcommand(1);
  CLI::App* const site = app.add_subcommand("site");
  CLI::App* const node = app.add_subcommand("node");
  for (CLI::App* command : {site, node}) {
    command->add_option("--root", arguments.root)->required();
    command->add_option("--listen", arguments.listen)->required();
    command->add_option("file", arguments.subject)->required();
  }
  node->add_option("--site", arguments.site)->required();
  node->add_option("--share", arguments.share)->check(CLI::Range(0.0, 1.0));
  node->add_option("--parallel", arguments.parallel)->check(CLI::Range(1, 64));
  node->add_option("--seed", arguments.seed);
  node->add_option("--others", arguments.others);
  node->add_flag("--alone", arguments.alone);
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = site->parsed() ? run_site(arguments) : run_node(arguments);
  if (status.ok()) return 0;
  std::cerr << status << std::endl;
  return 1;
}
