#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cache_index/cache.h"
#include "snapshotter/node_status.h"
#include "snapshotter/snapshotter.h"

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

/// samara.node.v1.Node on `socket`; `status` is called on many threads at once. `cache` is borrowed, for its pins.
absl::StatusOr<std::unique_ptr<Server>> serve_node(std::function<NodeStatus()> status, cache_index::Cache& cache,
                                                   const std::string& socket);

}  // namespace samara::snapshotter
