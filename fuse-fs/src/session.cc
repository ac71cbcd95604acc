#include "session.h"

#include <fcntl.h>
#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "thread_signals.h"

namespace samara::fuse_fs {
namespace {

void log_line(fuse_log_level level, const char* format, va_list arguments) {
  char line[512];
  std::vsnprintf(line, sizeof line, format, arguments);
  std::string text(line);
  while (text.ends_with('\n')) text.pop_back();
  if (level <= FUSE_LOG_ERR) return log::error("libfuse", {{"says", text}});
  if (level <= FUSE_LOG_WARNING) return log::warning("libfuse", {{"says", text}});
  log::debug("libfuse", {{"says", text}});
}

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::create(int fuse, const fuse_lowlevel_ops& operations,
                                                         void* user_data, std::size_t threads) {
  static std::once_flag log_set;
  std::call_once(log_set, [] { fuse_set_log_func(log_line); });

  char name[] = "samara";
  char* argv[] = {name, nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, argv);
  fuse_session* const raw = fuse_session_new(&args, &operations, sizeof operations, user_data);
  fuse_opt_free_args(&args);
  if (raw == nullptr) return absl::InternalError("libfuse made no session");
  std::unique_ptr<Session> session(new Session(raw));

  // libfuse closes what it is given.
  const int own = ::fcntl(fuse, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return errno_status(errno, "duplicate the FUSE descriptor");
  if (fuse_session_mount(raw, str_cat("/dev/fd/", own).c_str()) != 0) {
    return absl::InternalError("libfuse didn't take the FUSE descriptor");
  }
  session->start(threads);
  return session;
}

Session::~Session() {
  leave();
  join();
  fuse_session_destroy(session_);
}

void Session::start(std::size_t threads) {
  const BlockSignals block;
  threads = std::max<std::size_t>(threads, 1);
  serving_ = threads;
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { serve(); });
    pthread_setname_np(threads_.back().native_handle(), str_cat("fuse-", i).c_str());
  }
}

/// The kernel's first request is INIT, and it sends no other before that is answered.
absl::Status Session::wait_until_ready() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ready_ || serving_ == 0; });
  if (!ready_ || fuse_session_exited(session_)) {
    return absl::UnavailableError("the kernel and libfuse didn't agree on a FUSE session");
  }
  return absl::OkStatus();
}

void Session::serve() {
  fuse_buf request{};
  bool first = true;
  while (!fuse_session_exited(session_)) {
    const int received = fuse_session_receive_buf(session_, &request);
    if (received == -EINTR) continue;
    if (received <= 0) break;
    fuse_session_process_buf(session_, &request);
    if (!first) continue;
    first = false;
    const std::lock_guard lock(mutex_);
    ready_ = true;
    changed_.notify_all();
  }
  std::free(request.mem);

  const std::lock_guard lock(mutex_);
  --serving_;
  changed_.notify_all();
  if (!leaving_ && serving_ == 0) log::error("the FUSE mount is gone: somebody unmounted it");
}

void Session::leave() {
  const std::lock_guard lock(mutex_);
  leaving_ = true;
  fuse_session_exit(session_);
}

void Session::join() {
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace samara::fuse_fs
