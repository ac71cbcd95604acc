#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cache_index/cache.h"
#include "cache_index/image_cache.h"
#include "snapshotter/explain.h"
#include "snapshotter/node_status.h"
#include "snapshotter/snapshotter.h"
#include "snapshotter/start_traces.h"

namespace samara::snapshotter {

/// A gRPC service on a Unix socket that only root (or who runs us) may connect to.
class Server {
 public:
  virtual ~Server() = default;  ///< stop()
  /// Refuses new calls, gives those under way a moment, cancels the rest, waits until no handler runs. Idempotent.
  virtual void stop() = 0;
};

/// containerd.services.snapshots.v1.Snapshots on `socket`; `snapshotter` is borrowed.
/// Errors: AlreadyExists (another process answers there, or it is no socket), InvalidArgument (path too long), disk
/// errors. A socket file that a dead process left is replaced.
absl::StatusOr<std::unique_ptr<Server>> serve_snapshots(Snapshotter& snapshotter, const std::string& socket);

/// What samara.node.v1.Node tells, apart from what the cache says. All are borrowed; pointers may be null.
struct NodeParts {
  std::function<NodeStatus()> status;  ///< called on many threads at once
  cache_index::Cache& cache;           ///< its pins
  cache_index::ImageCache* images = nullptr;
  const StartTraces* traces = nullptr;
  std::function<std::vector<ExplainedRead>(std::string_view container)> explain{};  ///< as status
};
/// samara.node.v1.Node on `socket`.
absl::StatusOr<std::unique_ptr<Server>> serve_node(const NodeParts& parts, const std::string& socket);

}  // namespace samara::snapshotter
