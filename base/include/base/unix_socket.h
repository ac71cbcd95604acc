#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace samara {

/// A Unix socket on its way to its path: whoever listens does so at address(), in a directory that only we may enter;
/// publish() then gives it mode 0600 and puts it in its place. So nobody else can connect to it at any time, and its
/// path never names a socket that isn't listened on yet.
class NewSocket {
 public:
  /// Makes the directory of `path`. A socket there that a dead process left will be replaced.
  /// Errors: InvalidArgument (not absolute, or too long), AlreadyExists (another process answers there, or it is no
  /// socket), disk errors.
  static absl::StatusOr<NewSocket> create(const std::string& path);
  NewSocket(NewSocket&& other) noexcept;
  NewSocket& operator=(NewSocket&&) = delete;
  ~NewSocket();

  std::string address() const { return directory_ + "/s"; }
  /// Once somebody listens at address().
  absl::Status publish();

 private:
  NewSocket(std::string path, std::string directory) : path_(std::move(path)), directory_(std::move(directory)) {}
  std::string path_, directory_;
};

}  // namespace samara
