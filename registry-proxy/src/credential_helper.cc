#include "credential_helper.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include <sys/pidfd.h>  // glibc 2.36 forgot to say so itself
}

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kMaxOutput = 64 * 1024;
constexpr std::string_view kNotFound = "credentials not found";

// What the child gets in place of our descriptors and signals. One that couldn't be set makes the spawn fail.
class SpawnSettings {
 public:
  SpawnSettings(int input, int output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attributes_);
    sigset_t none, restored;
    sigemptyset(&none);
    sigemptyset(&restored);
    sigaddset(&restored, SIGPIPE);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &restored);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnSettings() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }
  SpawnSettings(const SpawnSettings&) = delete;

  int spawn(pid_t* pid, const char* program, char* const* argv) {
    return posix_spawnp(pid, program, &actions_, &attributes_, argv, environ);
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// A child in a process group of its own, killed with all of it unless it has ended by itself.
class Helper {
 public:
  Helper(pid_t pid, Fd output, milliseconds limit)
      : pid_(pid), output_(std::move(output)), ended_(::pidfd_open(pid, 0)), deadline_(steady_clock::now() + limit) {}
  ~Helper() {
    if (pid_ > 0) end(true);
  }
  Helper(const Helper&) = delete;

  // Everything that it prints, until it closes its output.
  absl::StatusOr<std::string> read() {
    std::string text;
    char piece[4096];
    while (true) {
      if (!wait_for(output_.get())) return absl::DeadlineExceededError("takes too long");
      const ssize_t n = ::read(output_.get(), piece, sizeof piece);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_status(errno, "reading its output");
      if (n == 0) return text;
      if (text.size() + static_cast<std::size_t>(n) > kMaxOutput)
        return absl::InvalidArgumentError(str_cat("prints more than ", kMaxOutput, " bytes"));
      text.append(piece, static_cast<std::size_t>(n));
    }
  }
  // Its exit code; -1 when a signal ended it.
  absl::StatusOr<int> wait() {
    if (!wait_for(ended_.get())) return absl::DeadlineExceededError("takes too long");
    return end(false);
  }

 private:
  bool wait_for(int fd) const {
    while (true) {
      const auto left = std::chrono::ceil<milliseconds>(deadline_ - steady_clock::now());
      if (left.count() <= 0) return false;
      pollfd ready{fd, POLLIN, 0};
      const int n = ::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
      if (n > 0) return true;
      if (n < 0 && errno != EINTR) return false;
    }
  }
  int end(bool kill) {
    if (kill) ::kill(-pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  pid_t pid_;
  const Fd output_, ended_;
  const steady_clock::time_point deadline_;
};

struct Pipe {
  Fd read_end, write_end;
};

absl::StatusOr<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_status(errno, "pipe");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

// A pipe that holds `text` already: a helper that doesn't read it can't block us.
absl::StatusOr<Pipe> pipe_holding(const std::string& text) {
  SAMARA_ASSIGN_OR_RETURN(Pipe pipe, make_pipe());
  if (text.size() > 4096) return absl::InvalidArgumentError("the server's name is too long");
  if (::write(pipe.write_end.get(), text.data(), text.size()) < 0) return errno_status(errno, "write to a pipe");
  pipe.write_end.reset();
  return pipe;
}

absl::StatusOr<std::optional<Credential>> ask(const std::string& program, const std::string& server,
                                              milliseconds limit) {
  SAMARA_ASSIGN_OR_RETURN(Pipe input, pipe_holding(server));
  SAMARA_ASSIGN_OR_RETURN(Pipe output, make_pipe());
  std::string name = program, verb = "get";
  char* argv[] = {name.data(), verb.data(), nullptr};
  pid_t pid = -1;
  if (const int error = SpawnSettings(input.read_end.get(), output.write_end.get()).spawn(&pid, name.c_str(), argv))
    return errno_status(error, "starting it");
  output.write_end.reset();
  Helper child(pid, std::move(output.read_end), limit);
  SAMARA_ASSIGN_OR_RETURN(const std::string answer, child.read());
  SAMARA_ASSIGN_OR_RETURN(const int code, child.wait());
  if (code != 0 && answer.find(kNotFound) != std::string::npos) return std::nullopt;
  if (code != 0) return absl::FailedPreconditionError(str_cat("fails with exit code ", code));
  SAMARA_ASSIGN_OR_RETURN(Credential credential, parse_helper_answer(answer));
  return credential;
}

}  // namespace

absl::StatusOr<std::optional<Credential>> run_credential_helper(const std::string& helper, const std::string& server,
                                                                milliseconds limit) {
  const std::string program = str_cat("docker-credential-", helper);
  auto result = ask(program, server, limit);
  if (!result.ok()) return annotate(result.status(), program);
  return result;
}

}  // namespace samara::registry_proxy
