#pragma once

#include <sys/uio.h>

#include <span>

namespace samara::fuse_fs {

/// Where the answer to one read goes: to the kernel, or to a test. Exactly one of the two is called, once.
class ReadReply {
 public:
  virtual ~ReadReply() = default;
  virtual void data(std::span<const iovec> pieces) = 0;
  virtual void error(int error) = 0;
};

}  // namespace samara::fuse_fs
