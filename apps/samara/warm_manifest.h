#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace samara::cli {

/// One image to be warmed, as files name it. Empty: as the command line says.
struct WarmEntry {
  std::string image, platform, level, nodes, deadline;
  std::vector<std::string> sites;
};
struct WarmManifest {
  std::vector<WarmEntry> images;
  std::string pin;                   ///< of a batch; empty: as the command line says
  std::vector<std::string> passed_over;  ///< of Kubernetes: kinds without pods, "ConfigMap settings"
};

/// A batch:
///   pin: 24h
///   level: full              # of all images below that say nothing else, as the next three
///   nodes: zone=a
///   sites: [edge-1]
///   deadline: 10m
///   images:
///     - docker.io/library/python:3.12
///     - image: docker.io/library/redis:7
///       level: trace
///       platform: linux/arm64
/// Errors: InvalidArgument with line and column: not YAML, a key that isn't known, no images.
absl::StatusOr<WarmManifest> parse_batch(std::string_view yaml, std::string_view file);

/// The images of Kubernetes objects: Pod, Deployment, ReplicaSet, StatefulSet, DaemonSet, ReplicationController, Job,
/// CronJob, PodTemplate, and Lists of them; containers, init containers, ephemeral containers and image volumes, each
/// image once. Errors: InvalidArgument with file and line: not YAML, an object without a kind, no image at all.
absl::StatusOr<WarmManifest> parse_kubernetes(std::string_view yaml, std::string_view file);

}  // namespace samara::cli
