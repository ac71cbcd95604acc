#pragma once

#include <csignal>
#include <ctime>

namespace samara::http {

/// Keeps SIGPIPE off this thread while it lives: sendfile(2) and TLS libraries raise it for a peer that left, and a
/// library doesn't change what the whole process does with signals.
class SigpipeBlock {
 public:
  SigpipeBlock() {
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigset_t only = pipe_set();
    pthread_sigmask(SIG_BLOCK, &only, &before_);
  }
  ~SigpipeBlock() {
    if (sigismember(&before_, SIGPIPE) == 1) return;
    const sigset_t only = pipe_set();
    const timespec at_once{0, 0};
    if (!was_pending_) sigtimedwait(&only, nullptr, &at_once);  // eat what was raised meanwhile
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SigpipeBlock(const SigpipeBlock&) = delete;

 private:
  static sigset_t pipe_set() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
  }

  sigset_t before_;
  bool was_pending_ = false;
};

}  // namespace samara::http
