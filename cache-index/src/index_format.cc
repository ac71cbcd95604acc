#include "index_format.h"

#include <sys/stat.h>

namespace samara::cache_index::index_format {

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
