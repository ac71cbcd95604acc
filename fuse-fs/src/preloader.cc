#include "fuse_fs/preloader.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <climits>
#include <csignal>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"

/// A message of the socket is "<offset> <size> <root>", a NUL, and the path below that.
namespace samara::fuse_fs {
namespace {

constexpr std::size_t kMaxMessage = 2 * PATH_MAX;
constexpr int kWaitingBytes = 4 << 20;  // some thousand messages

/// The directory that was used last. Not kept while there is nothing to do: its layer may go.
class Root {
 public:
  int open(std::string_view path) {
    if (!directory_.valid() || path != path_) {
      path_ = path;
      directory_ = Fd(::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    return directory_.get();
  }
  void close() { directory_ = Fd(); }

 private:
  std::string path_;
  Fd directory_;
};

void load_pages(int root, const char* path, std::uint64_t offset, std::uint64_t size) {
  const Fd file(::openat(root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.valid()) (void)::readahead(file.get(), static_cast<off64_t>(offset), size);
}

void load_name(int root, const char* path) {
  struct stat found {};
  if (::fstatat(root, path, &found, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISLNK(found.st_mode)) return;
  char target[PATH_MAX];
  (void)!::readlinkat(root, path, target, sizeof target);
}

/// What can't be loaded is left out: whoever wants the file will hear of it.
void load_one(Root& root, std::string_view message) {
  std::uint64_t numbers[2] = {};
  for (std::uint64_t& number : numbers) {
    const auto [after, error] = std::from_chars(message.data(), message.data() + message.size(), number);
    message.remove_prefix(static_cast<std::size_t>(after - message.data()));
    if (error != std::errc() || !message.starts_with(' ')) return;
    message.remove_prefix(1);
  }
  const std::size_t end = message.find('\0');
  if (end == std::string_view::npos) return;
  const std::string path(message.substr(end + 1));
  const int directory = root.open(message.substr(0, end));
  if (numbers[1] == 0) {
    load_name(directory, path.c_str());
  } else {
    load_pages(directory, path.c_str(), numbers[0], numbers[1]);
  }
}

}  // namespace

void Preloader::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  socket_ = Fd();
  if (process_ != 0) ::kill(process_, SIGKILL);  // it may have thousands of requests left
  reap();
}

bool Preloader::load(std::string_view root, std::string_view path, std::uint64_t offset, std::uint64_t size) {
  std::string message = str_cat(offset, " ", size, " ", root);
  message.push_back('\0');
  message.append(path);
  if (message.size() > kMaxMessage) return false;
  const std::lock_guard lock(mutex_);
  if (stopped_) return false;
  if (!socket_.valid()) {
    const absl::Status started = start();
    if (!started.ok()) {
      stopped_ = true;  // it would fail for each of thousands of requests
      log::warning("nothing that a start will read is loaded ahead", {{"error", started}});
      return false;
    }
  }
  if (::send(socket_.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
  if (errno == EPIPE || errno == ECONNRESET) {  // it died
    socket_ = Fd();
    reap();
  }
  return false;
}

absl::Status Preloader::start() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return errno_status(errno, "make a socket");
  const Fd input(ends[0]);
  Fd output(ends[1]);
  ::setsockopt(output.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kWaitingBytes, sizeof kWaitingBytes);

  std::vector<char*> arguments;
  for (const std::string& word : command_) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, input.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);  // ours is blocked for a thread that waits for signals
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t process = 0;
  const int error = ::posix_spawn(&process, arguments[0], &files, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0) return errno_status(error, str_cat("start ", command_.front()));
  process_ = process;
  socket_ = std::move(output);
  return absl::OkStatus();
}

void Preloader::reap() {
  const pid_t process = process_.exchange(0);
  while (process != 0 && ::waitpid(process, nullptr, 0) < 0 && errno == EINTR) continue;
}

int run_preloader(int input) {
  Root root;
  char message[kMaxMessage];
  while (true) {
    ssize_t size = ::recv(input, message, sizeof message, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) {
      root.close();
      size = ::recv(input, message, sizeof message, 0);
    }
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return size == 0 ? 0 : 1;
    load_one(root, std::string_view(message, static_cast<std::size_t>(size)));
  }
}

}  // namespace samara::fuse_fs
