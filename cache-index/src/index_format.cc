#include "index_format.h"

#include "cache_index/chunk.h"
#include "chunker.h"
#include "frame_content.h"

#include <sys/stat.h>

namespace samara::cache_index::index_format {

std::array<std::uint32_t, 8> making_parameters() {
  constexpr std::uint32_t kZstd = kFrameParameters.strategy | kFrameParameters.min_match << 8 |
                                  kFrameParameters.hash_log << 16 | kFrameParameters.chain_log << 24;
  return {static_cast<std::uint32_t>(kStreamAlignment), kFastCdc, kMinChunkBytes, kAverageChunkBytes, kMaxChunkBytes,
          kForcedCutBytes, kZstd, zstd_version()};
}

bool is_entry_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

bool is_mode(std::uint32_t mode) {
  if ((mode & ~std::uint32_t{S_IFMT | 07777}) != 0) return false;
  switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
      return true;
    default:
      return false;
  }
}

}  // namespace samara::cache_index::index_format
