#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fcntl.h>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "fd_passing.h"
#include "fuse_fs/connection_keeper.h"
#include "holder_message.h"
#include "holder_socket.h"
#include "thread_signals.h"

namespace samara::fuse_fs {
namespace {

// The one before us may be dying still, its holder may be ending or starting.
constexpr std::chrono::milliseconds kPatience{5'000};
constexpr std::chrono::milliseconds kBetweenTries{10};

class HolderKeeper final : public ConnectionKeeper {
 public:
  explicit HolderKeeper(HolderOptions options) : options_(std::move(options)), stop_(::eventfd(0, EFD_CLOEXEC)) {}

  ~HolderKeeper() override {
    ::eventfd_write(stop_.get(), 1);
    if (watcher_.joinable()) watcher_.join();
  }

  absl::Status start() {
    SAMARA_RETURN_IF_ERROR(connect());
    const BlockSignals block;
    watcher_ = std::thread([this] { watch(); });
    pthread_setname_np(watcher_.native_handle(), "holder-watch");
    return absl::OkStatus();
  }

  std::map<std::string, Fd> kept() override {
    const std::lock_guard lock(mutex_);
    std::map<std::string, Fd> copies;
    for (const auto& [name, fd] : held_) copies.emplace(name, Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)));
    return copies;
  }

  absl::Status keep(const std::string& name, int connection) override {
    const std::lock_guard lock(mutex_);
    Fd own(::fcntl(connection, F_DUPFD_CLOEXEC, 0));
    if (!own.valid()) return errno_status(errno, "duplicate a connection");
    held_[name] = std::move(own);
    return ask(str_cat("keep ", name), connection);
  }

  absl::Status forget(const std::string& name) override {
    const std::lock_guard lock(mutex_);
    held_.erase(name);
    return ask(str_cat("forget ", name));
  }

  void serving() override {
    const std::lock_guard lock(mutex_);
    serving_ = true;
    const absl::Status told = ask("serving");
    if (!told.ok()) log::warning("the holder doesn't answer", {{"error", told}});
  }

 private:
  absl::Status ask(std::string_view question, int fd = -1) {
    SAMARA_RETURN_IF_ERROR(send_message(socket_.get(), question, fd));
    SAMARA_ASSIGN_OR_RETURN(const FdMessage answer, receive_message(socket_.get()));
    if (answer.text == "ok") return absl::OkStatus();
    return absl::InternalError(str_cat("the holder answers \"", answer.text, "\" to \"", question, "\""));
  }

  absl::Status connect() {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (true) {
      const absl::Status status = try_to_connect();
      if (status.ok()) return status;
      if (std::chrono::steady_clock::now() > deadline) return absl::UnavailableError(status.message());
      std::this_thread::sleep_for(kBetweenTries);
    }
  }

  absl::Status try_to_connect() {
    absl::StatusOr<Fd> socket = connect_to_holder(options_.socket);
    if (absl::IsNotFound(socket.status())) {
      SAMARA_RETURN_IF_ERROR(start_holder(options_.socket, options_.command));
      socket = connect_to_holder(options_.socket);
    }
    SAMARA_RETURN_IF_ERROR(socket.status());
    SAMARA_RETURN_IF_ERROR(greet(socket->get()));
    socket_ = *std::move(socket);
    return absl::OkStatus();
  }

  absl::Status greet(int socket) {
    const absl::Status sent = send_message(socket, str_cat("hello ", options_.abort_after.count()));
    SAMARA_ASSIGN_OR_RETURN(const FdMessage answer, receive_message(socket));
    const std::string_view text = answer.text;
    if (text == "busy") return absl::UnavailableError("another samara-node serves these mounts");
    SAMARA_RETURN_IF_ERROR(sent);
    const std::optional<std::size_t> count = parse_welcome(text);
    if (!count) return absl::UnavailableError(str_cat("the holder answers \"", text, "\""));
    for (std::size_t left = *count; left > 0; --left) {
      SAMARA_ASSIGN_OR_RETURN(FdMessage held, receive_message(socket));
      constexpr std::string_view kHeld = "held ";
      if (held.text.starts_with(kHeld) && held.fd.valid()) held_[held.text.substr(kHeld.size())] = std::move(held.fd);
    }
    return absl::OkStatus();
  }

  void watch() {
    while (true) {
      pollfd polled[] = {{stop_.get(), POLLIN, 0}, {socket_.get(), 0, 0}};
      if (::poll(polled, 2, -1) < 0) continue;
      if (polled[0].revents != 0) return;
      if (polled[1].revents == 0) continue;
      // A holder that ended before we served has let go because it took too long: so be it, should we die as well.
      if (is_serving() ? !replace_holder() : ::poll(polled, 1, 100) > 0) return;
    }
  }

  bool is_serving() {
    const std::lock_guard lock(mutex_);
    return serving_;
  }

  /// The holder died.
  bool replace_holder() {
    const std::lock_guard lock(mutex_);
    std::map<std::string, Fd> ours = std::move(held_);
    held_.clear();
    absl::Status status = connect();
    held_ = std::move(ours);
    for (auto held = held_.begin(); status.ok() && held != held_.end(); ++held) {
      status = ask(str_cat("keep ", held->first), held->second.get());
    }
    if (status.ok() && serving_) status = ask("serving");
    if (status.ok()) {
      log::warning("the holder had died and was started again");
    } else {
      log::error("there is no holder: mounts end with this process", {{"error", status}});
    }
    return status.ok();
  }

  const HolderOptions options_;
  const Fd stop_;
  std::mutex mutex_;  // guards what follows; held while the holder is asked
  Fd socket_;
  std::map<std::string, Fd> held_;
  bool serving_ = false;
  std::thread watcher_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ConnectionKeeper>> holder_keeper(const HolderOptions& options) {
  auto keeper = std::make_unique<HolderKeeper>(options);
  SAMARA_RETURN_IF_ERROR(keeper->start());
  return keeper;
}

}  // namespace samara::fuse_fs
