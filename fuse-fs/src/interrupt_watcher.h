#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "read_operation.h"

namespace samara::fuse_fs {

/// Ends reads whose reader is being killed.
///
/// The kernel tells of an interrupt once, for any signal. Programs don't expect EINTR from a regular file, and a page
/// fault that gets it ends in SIGBUS; so a signal that the program handles must not end the read. A thread that is
/// dying can't leave before its read is answered; so that one is answered with EINTR at once. What was interrupted by
/// a harmless signal is looked at again now and then, because the kernel won't tell of a later, deadly one.
/// Threads: any; a thread of its own sleeps unless there is something to look at.
class InterruptWatcher {
 public:
  /// `is_dying` says whether a thread is going to end.
  explicit InterruptWatcher(std::function<bool(pid_t)> is_dying);
  ~InterruptWatcher();

  void interrupted(const std::shared_ptr<ReadOperation>& read, pid_t reader);

 private:
  struct Watched {
    std::shared_ptr<ReadOperation> read;
    pid_t reader;
  };
  void run();
  bool still_wanted(const Watched& watched) const;

  const std::function<bool(pid_t)> is_dying_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Watched> watched_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace samara::fuse_fs
