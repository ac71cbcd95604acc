#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace samara::cache_index {

/// One inode of a layer while it is being built. Hard links are several children entries with one node number.
struct LayerNode {
  std::uint32_t mode = 0;  ///< st_mode: type and permission bits
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t size = 0;     ///< bytes of a regular file
  std::int64_t mtime_sec = 0;  ///< seconds since the epoch, may be negative
  std::uint32_t mtime_nsec = 0;
  std::uint32_t rdev_major = 0, rdev_minor = 0;  ///< of devices; 0:0 of a char device is an overlayfs whiteout
  std::uint64_t data_offset = 0;                 ///< of a regular file: where it begins in the data stream
  std::string symlink_target{};
  std::map<std::string, std::string> xattrs{};
  std::map<std::string, std::uint32_t> children{};  ///< of a directory: name -> node number; sorted bytewise
  bool implied = false;  ///< a directory that the tar never names: made as the parent of something
};

/// What a layer's tar says, as overlayfs wants to see it (whiteouts are 0:0 char devices, opaque directories carry
/// trusted.overlay.opaque=y). Node 0 is the root; nodes that nothing reaches any more are left out of the index.
struct LayerTree {
  std::vector<LayerNode> nodes;
};

}  // namespace samara::cache_index
