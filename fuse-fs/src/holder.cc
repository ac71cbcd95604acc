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

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "base/text.h"
#include "fd_passing.h"
#include "fuse_fs/connection_keeper.h"

namespace samara::fuse_fs {
namespace {

constexpr std::size_t kMostHeld = 16;
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
    const std::string_view text = message.text;
    const std::string_view verb = text.substr(0, text.find(' '));
    const std::string name(text.substr(std::min(text.size(), verb.size() + 1)));
    if (verb == "hello") return welcome(name);
    if (verb == "keep" && message.fd.valid() && (held_.size() < kMostHeld || held_.contains(name))) {
      held_[name] = std::move(message.fd);
    } else if (verb == "forget") {
      held_.erase(name);
    } else if (verb == "serving") {
      deadline_.reset();
    } else {
      return send_message(client_.get(), "unknown");
    }
    return send_message(client_.get(), "ok");
  }

  absl::Status welcome(std::string_view milliseconds) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(milliseconds.data(), milliseconds.data() + milliseconds.size(), value);
    if (error == std::errc() && value > 0 && value < 86'400'000) abort_after_ = std::chrono::milliseconds(value);
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
