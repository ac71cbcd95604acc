#pragma once

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <fuse_lowlevel.h>

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"

namespace samara::fuse_fs {

/// libfuse's session over one connection, and the threads that serve it. The one place that makes a fuse_session:
/// a connection taken over from an earlier process will come in here as a descriptor like any other.
///
/// All threads read from one descriptor: requests that a clone had taken are lost when the process dies.
class Session {
 public:
  /// `fuse` stays the caller's, who ends the connection before the session goes. `user_data` is what handlers get.
  static absl::StatusOr<std::unique_ptr<Session>> create(int fuse, const fuse_lowlevel_ops& operations,
                                                         void* user_data, std::size_t threads);
  ~Session();  ///< no request may be unanswered any more
  Session(const Session&) = delete;

  fuse_session* get() const { return session_; }
  /// Waits until the kernel and we have agreed on a protocol. Unavailable when they didn't.
  absl::Status wait_until_ready();
  /// The session takes no notice any more of replies that come to nothing. Call before the connection ends.
  void leave();
  /// Waits for the threads; they leave when the connection has ended.
  void join();

 private:
  explicit Session(fuse_session* session) : session_(session) {}
  void start(std::size_t threads);
  void serve();

  fuse_session* const session_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ready_ = false;
  std::size_t serving_ = 0;
  bool leaving_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace samara::fuse_fs
