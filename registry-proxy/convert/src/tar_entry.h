#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace samara::convert {

enum class EntryType {
  kFile,
  kHardLink,
  kSymlink,
  kCharDevice,
  kBlockDevice,
  kDirectory,
  kFifo,
  kGlobalHeader,  ///< a pax global header: makes nothing, but clears its place as any entry does
};

/// One entry of a tar with all its headers put together; nothing about it is trusted yet but the bounds below.
struct TarEntry {
  EntryType type = EntryType::kFile;
  std::string name = {};         ///< as written ("./a/../b/" is possible), no NUL, at most kMaxPathBytes
  std::string link_target = {};  ///< of links, likewise
  std::uint32_t mode = 0;   ///< permission bits: 07777 at most
  std::int64_t uid = 0, gid = 0;
  std::uint64_t size = 0;  ///< bytes of a file, holes included
  std::int64_t mtime_sec = 0;
  std::uint32_t mtime_nsec = 0;
  std::int64_t device_major = 0, device_minor = 0;
  std::map<std::string, std::string> xattrs = {};
  std::uint64_t tar_offset = 0;  ///< of its last header, for messages
};

inline constexpr std::size_t kMaxPathBytes = 4096;
inline constexpr std::size_t kMaxComponentBytes = 255;

/// A name from a tar as error messages show it: quoted, escaped, bounded.
std::string quoted(std::string_view name);

}  // namespace samara::convert
