#pragma once

#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace samara::registry_proxy {

/// A program that a test runs, with its output to read from. Ended, and waited for, with the object.
class ChildProcess {
 public:
  explicit ChildProcess(std::vector<std::string> arguments) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    output_ = Fd(ends[0]);
    const Fd write_end(ends[1]);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::dup2(write_end.get(), STDOUT_FILENO);
    ::dup2(write_end.get(), STDERR_FILENO);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ~ChildProcess() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    wait();
  }
  ChildProcess(const ChildProcess&) = delete;

  /// Reads its output until `mark` has come; false when it ended before.
  bool wait_for_output(std::string_view mark) {
    char piece[4096];
    while (text_.find(mark) == std::string::npos) {
      const ssize_t n = ::read(output_.get(), piece, sizeof piece);
      if (n <= 0) return false;
      text_.append(piece, static_cast<std::size_t>(n));
    }
    return true;
  }
  /// Waits for its end; the exit code, or -1.
  int wait() {
    wait_for_output("\xff no program writes this");
    int status = 0;
    const bool ended = ::waitpid(pid_, &status, 0) == pid_ && WIFEXITED(status);
    pid_ = -1;
    return ended ? WEXITSTATUS(status) : -1;
  }
  const std::string& output() const { return text_; }

 private:
  pid_t pid_ = -1;
  Fd output_;
  std::string text_;
};

}  // namespace samara::registry_proxy
