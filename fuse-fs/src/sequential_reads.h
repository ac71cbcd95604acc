#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace samara::fuse_fs {

/// Tells which files are being read from front to back. Remembers a fixed number of files; those that share a place
/// push each other out, which costs a prefetch and nothing else.
/// Threads: any.
class SequentialReads {
 public:
  /// Notes a read of [offset, offset + size) of file `node`; true when it begins where the one before it ended.
  bool note(std::uint64_t node, std::uint64_t offset, std::uint64_t size);

 private:
  struct File {
    std::uint64_t node = 0;
    std::uint64_t end = 0;
  };
  static constexpr std::size_t kFiles = 512;
  std::mutex mutex_;
  std::array<File, kFiles> files_;
};

}  // namespace samara::fuse_fs
