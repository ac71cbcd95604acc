#pragma once

#include <cstdint>

#include "peer/chunk_reader.h"

namespace samara::fuse_fs {

/// Hears which files of the mount the kernel asks about: looked up or read, a Preloader's requests aside. What is in the
/// kernel's caches already isn't asked about.
/// Threads: called on those that serve the mount; must not block.
class FileWatcher {
 public:
  virtual ~FileWatcher() = default;
  virtual void touched(const peer::LayerIndex& layer, std::uint32_t inode) = 0;
};

}  // namespace samara::fuse_fs
