#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/config.h"
#include "base/http/server.h"
#include "cache_index/cache.h"
#include "peer/chunk_fetcher.h"
#include "peer/neighbour_service.h"
#include "peer/site_access.h"
#include "snapshotter/background_fetch.h"
#include "snapshotter/layer_finder.h"
#include "snapshotter/pressure.h"
#include "snapshotter/start_traces.h"
#include "swarm_options.h"

namespace samara {

/// Who keeps the mounts while no samara-node runs.
enum class HolderKind { kAuto, kSystemd, kProcess, kNone };

/// The options of samara-node; deploy/node.toml lists them with their meanings.
struct NodeOptions {
  std::string name;                           ///< by which the site knows it; the machine's host name unless configured
  std::map<std::string, std::string> labels;  ///< by which warm jobs choose nodes
  std::string root = "/var/lib/samara/node";
  cache_index::Cache::Limits cache_limits;
  std::string snapshotter_socket = "/run/samara/snapshotter.sock";
  std::string node_socket = "/run/samara/node.sock";
  std::vector<std::string> sites = {"http://127.0.0.1:7700"};  ///< may be empty
  peer::SiteAccess::Options site;
  http::Server::Options server;
  peer::ChunkFetcher::Options fetcher;
  bool background_fetch = true;
  snapshotter::BackgroundFetch::Options background;
  snapshotter::Pressure::Limits pressure;
  snapshotter::LayerFinder::Options finder;
  bool learn = true;
  bool preload = true;
  snapshotter::StartTraces::Options traces;
  HolderKind holder = HolderKind::kAuto;
  std::chrono::milliseconds abort_after{60'000};
  SwarmOptions swarm;
  bool neighbours = false;
  http::Server::Options neighbours_server;
  peer::NeighbourService::Options neighbours_service;
};

/// Errors: InvalidArgument, naming the option that is wrong.
absl::Status read_options(Config& config, NodeOptions& options);

}  // namespace samara
