#include "xattr_answer.h"

#include "base/status.h"

namespace samara::fuse_fs {

absl::StatusOr<std::string_view> xattr_value(const cache_index::IndexReader& layer, std::uint32_t inode,
                                             std::string_view name) {
  SAMARA_ASSIGN_OR_RETURN(const auto xattrs, layer.xattrs(inode));
  for (const auto& [key, value] : xattrs) {
    if (key == name) return value;
  }
  return absl::NotFoundError("no such attribute");
}

absl::StatusOr<std::string> xattr_names(const cache_index::IndexReader& layer, std::uint32_t inode, Viewer viewer) {
  SAMARA_ASSIGN_OR_RETURN(const auto xattrs, layer.xattrs(inode));
  std::string names;
  for (const auto& [key, value] : xattrs) {
    if (viewer == Viewer::kOther && key.starts_with("trusted.")) continue;
    names.append(key);
    names.push_back('\0');
  }
  return names;
}

}  // namespace samara::fuse_fs
