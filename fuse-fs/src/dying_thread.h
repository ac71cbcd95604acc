#pragma once

#include <sys/types.h>

#include <string_view>

namespace samara::fuse_fs {

/// Whether `status`, the text of a /proc/<thread>/status, has SIGKILL pending. The kernel marks every thread of a
/// process so when a signal is going to end it, whichever signal that is. Source: proc(5), SigPnd.
bool has_kill_pending(std::string_view status);

/// Whether the thread is gone or about to be. True too when that can't be told (a thread of a PID namespace that isn't
/// ours has number 0).
bool is_dying(pid_t thread);

}  // namespace samara::fuse_fs
