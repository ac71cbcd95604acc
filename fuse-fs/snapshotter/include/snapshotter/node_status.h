#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "snapshotter/background_fetch.h"
#include "snapshotter/lazy_layers.h"

namespace samara::snapshotter {

/// What `samara status` shows; proto/node.proto is its form on the wire.
struct NodeStatus {
  struct Site {
    std::string url;
    bool answers = false;
    std::string error;  ///< why not
  };
  std::string version;
  std::chrono::seconds uptime{0};
  std::string mountpoint;
  std::vector<Site> sites;
  std::vector<LazyLayers::State> layers;
  std::uint64_t bytes_fetched = 0;
  std::optional<BackgroundFetch::Progress> background;  ///< nullopt: switched off
  std::uint64_t snapshots = 0;
  std::uint64_t waiting_reads = 0;  ///< that wait for bytes now
  std::uint64_t hung_reads = 0;     ///< those of them that have for 10 s
  std::uint64_t slow_reads = 0;     ///< see explain.h
  std::uint64_t takeovers = 0;      ///< mounts taken over from an earlier process
  std::uint64_t known_starts = 0;   ///< images with a trace
};

}  // namespace samara::snapshotter
