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
#include "agreement.h"

namespace samara::fuse_fs {

/// libfuse's session over one connection, and the threads that serve it. The one place that makes a fuse_session.
///
/// All threads read from one descriptor: requests that a clone had taken are lost when the process dies.
class Session {
 public:
  /// Agrees with the kernel on a protocol; for a connection that an earlier process had, on the one that was agreed on
  /// then. `fuse` stays the caller's, who ends the connection before the session goes. `user_data` is what handlers get.
  /// Errors: Unavailable (no agreement), those of the descriptor.
  static absl::StatusOr<std::unique_ptr<Session>> create(int fuse, const fuse_lowlevel_ops& operations,
                                                         void* user_data);
  static absl::StatusOr<std::unique_ptr<Session>> resume(int fuse, const fuse_lowlevel_ops& operations,
                                                         void* user_data, const Agreement& agreement);
  ~Session();  ///< no request may be unanswered any more
  Session(const Session&) = delete;

  fuse_session* get() const { return session_; }
  const Agreement& agreement() const { return agreement_; }
  /// Begins to answer.
  void start(std::size_t threads);
  /// The session takes no notice any more of replies that come to nothing. Call before the connection ends.
  void leave();
  /// Waits for the threads; they leave when the connection has ended.
  void join();
  /// Lets the threads finish what they are at, and leaves the rest to the next process. Answers can still be sent.
  void stop_reading();
  /// Answers go nowhere from now on: the kernel will ask the next process the same again.
  void mute();

 private:
  Session(fuse_session* session, int descriptor) : session_(session), descriptor_(descriptor) {}
  /// A session whose answers go to a file, so far.
  static absl::StatusOr<std::unique_ptr<Session>> over(int answers, const fuse_lowlevel_ops& operations,
                                                       void* user_data);
  absl::Status negotiate(int answers, std::string request);
  absl::Status speak_through(int fuse);
  void serve();

  fuse_session* const session_;
  const int descriptor_;  // libfuse's, which closes it
  Agreement agreement_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t serving_ = 0;
  bool leaving_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace samara::fuse_fs
