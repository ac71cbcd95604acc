#pragma once

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <fuse_lowlevel.h>

#include "read_reply.h"

namespace samara::fuse_fs {

/// Answers a request of the kernel. That it has been interrupted or its mount is gone meanwhile is no concern of ours:
/// libfuse frees the request whatever becomes of the answer.
class FuseReadReply final : public ReadReply {
 public:
  explicit FuseReadReply(fuse_req_t request) : request_(request) {}
  void data(std::span<const iovec> pieces) override {
    fuse_reply_iov(request_, pieces.data(), static_cast<int>(pieces.size()));
  }
  void error(int error) override { fuse_reply_err(request_, error); }

 private:
  fuse_req_t request_;
};

}  // namespace samara::fuse_fs
