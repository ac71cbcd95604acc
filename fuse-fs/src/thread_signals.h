#pragma once

#include <pthread.h>

#include <csignal>

namespace samara::fuse_fs {

/// Blocks every signal for its lifetime, so that threads started meanwhile leave signals to the program's own.
class BlockSignals {
 public:
  BlockSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockSignals(const BlockSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace samara::fuse_fs
