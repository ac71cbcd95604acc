#include "session.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/file.h"
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

constexpr std::size_t kFirstRequest = 128u << 10;  // the least that the kernel wants room for is 8 KiB

// Ends a thread's read(2). Nobody else uses it.
constexpr int kWakeSignal = SIGUSR2;

void catch_wake_signal() {
  struct sigaction action {};
  action.sa_handler = [](int) {};  // without SA_RESTART
  ::sigaction(kWakeSignal, &action, nullptr);
}

void take_wake_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, kWakeSignal);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

absl::StatusOr<Fd> scratch_file() {
  Fd file(::memfd_create("samara-init", MFD_CLOEXEC));
  if (!file.valid()) return errno_status(errno, "make a file in memory");
  return file;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::over(int answers, const fuse_lowlevel_ops& operations,
                                                       void* user_data) {
  static std::once_flag process_set;
  std::call_once(process_set, [] {
    fuse_set_log_func(log_line);
    catch_wake_signal();
  });

  // libfuse closes what it is given.
  const int own = ::fcntl(answers, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return errno_status(errno, "duplicate a descriptor");
  char name[] = "samara";
  char* argv[] = {name, nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, argv);
  fuse_session* const raw = fuse_session_new(&args, &operations, sizeof operations, user_data);
  fuse_opt_free_args(&args);
  if (raw == nullptr) {
    ::close(own);
    return absl::InternalError("libfuse made no session");
  }
  std::unique_ptr<Session> session(new Session(raw, own));
  if (fuse_session_mount(raw, str_cat("/dev/fd/", own).c_str()) != 0) {
    return absl::InternalError("libfuse didn't take the descriptor");
  }
  return session;
}

absl::StatusOr<std::unique_ptr<Session>> Session::create(int fuse, const fuse_lowlevel_ops& operations,
                                                         void* user_data) {
  SAMARA_ASSIGN_OR_RETURN(const Fd answers, scratch_file());
  SAMARA_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, over(answers.get(), operations, user_data));
  // The kernel's first request is FUSE_INIT, and it sends no other before that is answered.
  std::string request(kFirstRequest, '\0');
  const ssize_t received = ::read(fuse, request.data(), request.size());
  if (received < 0) return absl::UnavailableError(errno_status(errno, "read the first FUSE request").message());
  request.resize(static_cast<std::size_t>(received));
  SAMARA_RETURN_IF_ERROR(session->negotiate(answers.get(), std::move(request)));
  allow_id_mapped_mounts(session->agreement_);
  const std::string& reply = session->agreement_.reply;
  if (::write(fuse, reply.data(), reply.size()) < 0) return errno_status(errno, "answer the first FUSE request");
  SAMARA_RETURN_IF_ERROR(session->speak_through(fuse));
  return session;
}

absl::StatusOr<std::unique_ptr<Session>> Session::resume(int fuse, const fuse_lowlevel_ops& operations,
                                                         void* user_data, const Agreement& agreement) {
  SAMARA_RETURN_IF_ERROR(check(agreement));
  SAMARA_ASSIGN_OR_RETURN(const Fd answers, scratch_file());
  SAMARA_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, over(answers.get(), operations, user_data));
  SAMARA_RETURN_IF_ERROR(session->negotiate(answers.get(), request_again(agreement)));
  session->agreement_ = agreement;
  SAMARA_RETURN_IF_ERROR(session->speak_through(fuse));
  if (!can_resend(agreement)) {
    log::warning("this kernel can't repeat what the last process was asked: a reader may hang (needs Linux 6.9)");
    return session;
  }
  const std::string notice = resend_notice();
  if (::write(fuse, notice.data(), notice.size()) < 0) return errno_status(errno, "ask for unanswered requests again");
  return session;
}

/// libfuse's answer goes to the file `answers`, and from there into agreement_.
absl::Status Session::negotiate(int answers, std::string request) {
  fuse_buf buffer{};
  buffer.mem = request.data();
  buffer.size = request.size();
  fuse_session_process_buf(session_, &buffer);
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t size, file_size(answers));
  std::string reply(size, '\0');
  SAMARA_RETURN_IF_ERROR(pread_all(answers, {reinterpret_cast<std::uint8_t*>(reply.data()), reply.size()}, 0));
  agreement_ = {.request = std::move(request), .reply = std::move(reply)};
  const absl::Status agreed = check(agreement_);
  if (agreed.ok() && !fuse_session_exited(session_)) return agreed;
  return absl::UnavailableError(str_cat("the kernel and libfuse didn't agree: ", to_std(agreed.message())));
}

absl::Status Session::speak_through(int fuse) {
  if (::dup3(fuse, descriptor_, O_CLOEXEC) < 0) return errno_status(errno, "duplicate a descriptor");
  return absl::OkStatus();
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

void Session::serve() {
  take_wake_signal();
  fuse_buf request{};
  while (!fuse_session_exited(session_)) {
    const int received = fuse_session_receive_buf(session_, &request);
    if (received == -EINTR) continue;
    if (received <= 0) break;
    fuse_session_process_buf(session_, &request);
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

/// A signal between a thread's look at the flag and its read is lost, hence once more.
void Session::stop_reading() {
  leave();
  std::unique_lock lock(mutex_);
  while (serving_ > 0) {
    for (std::thread& thread : threads_) pthread_kill(thread.native_handle(), kWakeSignal);
    changed_.wait_for(lock, std::chrono::milliseconds(5), [&] { return serving_ == 0; });
  }
  lock.unlock();
  join();
}

void Session::mute() {
  const auto nowhere = open_file("/dev/null", O_RDWR);
  const absl::Status muted = nowhere.ok() ? speak_through(nowhere->get()) : nowhere.status();
  if (!muted.ok()) log::error("reads under way are answered with errors", {{"error", muted}});
}

}  // namespace samara::fuse_fs
