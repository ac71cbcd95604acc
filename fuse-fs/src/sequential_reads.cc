#include "sequential_reads.h"

namespace samara::fuse_fs {

bool SequentialReads::note(std::uint64_t node, std::uint64_t offset, std::uint64_t size) {
  const std::size_t place = (node * 0x9e37'79b9'7f4a'7c15ull >> 32) % kFiles;  // Fibonacci hashing
  const std::lock_guard lock(mutex_);
  const File before = files_[place];
  files_[place] = {.node = node, .end = offset + size};
  return before.node == node && before.end == offset && offset != 0;
}

}  // namespace samara::fuse_fs
