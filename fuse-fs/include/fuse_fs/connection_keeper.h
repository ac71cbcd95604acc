#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file.h"

namespace samara::fuse_fs {

/// Keeps the FUSE connections of a process over its death: a connection lives while anybody holds its descriptor, and
/// what reads from the mount meanwhile waits instead of failing.
/// Threads: any.
class ConnectionKeeper {
 public:
  virtual ~ConnectionKeeper() = default;  ///< what is kept stays kept
  /// What an earlier process gave, by name; asked once, first of all. It stays kept.
  virtual std::map<std::string, Fd> kept() = 0;
  /// `name`: letters, digits and '-'. A connection of that name that was kept before is replaced.
  virtual absl::Status keep(const std::string& name, int connection) = 0;
  /// Fine if it isn't kept.
  virtual absl::Status forget(const std::string& name) = 0;
  /// Requests are being answered again.
  virtual void serving() = 0;
};

/// systemd's store of descriptors (FDSTORE=1), for a unit with FileDescriptorStoreMax=. Null when the process wasn't
/// started by a service manager that takes notices. Takes the descriptors and the environment's LISTEN_… variables,
/// so it can be made once a process.
/// Source: sd_notify(3), sd_listen_fds(3), systemd.service(5).
std::unique_ptr<ConnectionKeeper> systemd_keeper();

/// A process of our own that does nothing but hold descriptors (run_holder()), found at `socket` or started. When it
/// dies it is started again, with what it held.
struct HolderOptions {
  std::string socket;                ///< in a directory that exists and that only we may enter
  std::vector<std::string> command;  ///< program and arguments that call run_holder(kHolderSocket)
  /// How long those who read from a mount may hang after its process died: then the holder lets go, which ends the
  /// connections with ENOTCONN.
  std::chrono::milliseconds abort_after{60'000};
};
/// Errors: Unavailable (it can't be reached, or another process is connected to it: one that still serves).
absl::StatusOr<std::unique_ptr<ConnectionKeeper>> holder_keeper(const HolderOptions& options);

/// The holder's own main: serves the listening socket until nobody is connected and nothing is held. One client at a
/// time, of our own user. Never reads from what it holds.
inline constexpr int kHolderSocket = 3;
int run_holder(int listening);

/// Tells the service manager something, "READY=1" for example; nothing happens without one.
/// Source: sd_notify(3).
absl::Status notify_service_manager(const std::string& text, int fd = -1);

}  // namespace samara::fuse_fs
