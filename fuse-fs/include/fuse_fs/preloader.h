#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/file.h"

namespace samara::fuse_fs {

/// Has the kernel take in names and pages of files of the mount that somebody will want in a moment, so that he finds
/// them in its caches and needn't ask us, one round trip after the other.
///
/// The asking is done by a process of its own, run_preloader(): one that waits for an answer of its own mount couldn't
/// be killed. It comes with the first request, ends with this object or process, and is started again when it died; where it can't
/// be started, nothing is loaded.
/// Threads: any. Nothing here waits: what the other process can't take at once is left out.
class Preloader {
 public:
  /// `command`: what runs run_preloader(), with its arguments.
  explicit Preloader(std::vector<std::string> command) : command_(std::move(command)) {}
  ~Preloader() { stop(); }

  /// Pages [offset, offset + size) of the regular file `path`, which begins below the directory `root`; with a size of 0
  /// the name alone, of any kind of file. False when it was left out.
  bool load(std::string_view root, std::string_view path, std::uint64_t offset, std::uint64_t size);
  /// Ends the process and waits for it, so the mount must still answer. Nothing is loaded any more.
  void stop();
  /// Whether a request of the mount comes from here.
  bool is(pid_t process) const { return process != 0 && process == process_; }

 private:
  absl::Status start();
  void reap();

  const std::vector<std::string> command_;
  std::mutex mutex_;
  Fd socket_;
  bool stopped_ = false;
  std::atomic<pid_t> process_{0};
};

/// The other process: does what it reads from `input` until that ends. Returns an exit code.
int run_preloader(int input);

}  // namespace samara::fuse_fs
