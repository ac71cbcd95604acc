// The process that holds descriptors while the one that uses them is dead. Its protocol, one message each way, is that
// of every version to come, because a holder lives longer than a daemon:
//   "hello <ms>"          -> "welcome <n>", then n times "held <name>" with a descriptor; ms: see abort_after
//   "keep <name>" with a descriptor, "forget <name>", "serving"  -> "ok"
//   anything else         -> "unknown"
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <optional>

#include "base/text.h"
#include "fd_passing.h"
#include "fuse_fs/connection_keeper.h"
#include "holder_message.h"

namespace samara::fuse_fs {
namespace {

constexpr std::chrono::seconds kFirstClient{10};

using Clock = std::chrono::steady_clock;

bool is_ours(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

class Holder {
 public:
  explicit Holder(int listening) : listening_(listening) {}

  void run() {
    while (client_.valid() || !held_.empty() || !greeted_) {
      if (deadline_ && Clock::now() >= *deadline_) return;  // letting go of what is held ends it
      pollfd polled[] = {{client_.get(), POLLIN, 0}, {listening_, POLLIN, 0}};
      if (::poll(polled, 2, patience()) < 0) continue;
      if (polled[0].revents != 0) client_says();
      if ((polled[1].revents & POLLIN) != 0) somebody_connects();
    }
  }

 private:
  int patience() const {
    if (!deadline_) return -1;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*deadline_ - Clock::now()).count();
    return left < 0 ? 0 : static_cast<int>(left) + 1;
  }

  void somebody_connects() {
    Fd socket(::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.valid() || !is_ours(socket.get())) return;
    if (client_.valid()) return static_cast<void>(send_message(socket.get(), "busy"));
    client_ = std::move(socket);
  }

  void client_says() {
    auto message = receive_message(client_.get());
    const absl::Status answered = message.ok() ? answer(*message) : message.status();
    if (!answered.ok()) client_left();
  }

  void client_left() {
    client_.reset();
    greeted_ = true;
    if (!deadline_) deadline_ = Clock::now() + abort_after_;
  }

  absl::Status answer(FdMessage& message) {
    using Verb = HolderRequest::Verb;
    const HolderRequest request = parse_holder_request(message.text);
    if (request.verb == Verb::kHello) return welcome(request);
    const bool has_room = held_.size() < kMostHeld || held_.contains(request.name);
    if (request.verb == Verb::kKeep && message.fd.valid() && has_room) {
      held_[request.name] = std::move(message.fd);
    } else if (request.verb == Verb::kForget) {
      held_.erase(request.name);
    } else if (request.verb == Verb::kServing) {
      deadline_.reset();
    } else {
      return send_message(client_.get(), "unknown");
    }
    return send_message(client_.get(), "ok");
  }

  absl::Status welcome(const HolderRequest& hello) {
    abort_after_ = hello.abort_after.value_or(abort_after_);
    if (!greeted_) deadline_.reset();
    greeted_ = true;
    absl::Status status = send_message(client_.get(), str_cat("welcome ", held_.size()));
    for (auto held = held_.begin(); status.ok() && held != held_.end(); ++held) {
      status = send_message(client_.get(), str_cat("held ", held->first), held->second.get());
    }
    return status;
  }

  const int listening_;
  Fd client_;
  bool greeted_ = false;  // somebody has been here
  std::chrono::milliseconds abort_after_{60'000};
  // From the loss of a client until one serves; at first, for the one who started us.
  std::optional<Clock::time_point> deadline_ = Clock::now() + kFirstClient;
  std::map<std::string, Fd> held_;
};

}  // namespace

int run_holder(int listening) {
  ::prctl(PR_SET_NAME, "samara-holder");
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  Holder(listening).run();
  return 0;
}

}  // namespace samara::fuse_fs
