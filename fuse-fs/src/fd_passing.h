#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/file.h"

namespace samara::fuse_fs {

/// One message of a Unix socket that keeps messages apart, with at most one descriptor.
struct FdMessage {
  std::string text;
  Fd fd;
};
inline constexpr std::size_t kMaxMessage = 256;

/// Source: unix(7), SCM_RIGHTS.
absl::Status send_message(int socket, std::string_view text, int fd = -1);
/// Unavailable at the end; DeadlineExceeded after SO_RCVTIMEO; InvalidArgument when the message is too long. More
/// descriptors than one are closed.
absl::StatusOr<FdMessage> receive_message(int socket);

}  // namespace samara::fuse_fs
