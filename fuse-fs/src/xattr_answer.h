#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "cache_index/index_reader.h"

namespace samara::fuse_fs {

/// The value of one extended attribute. NotFound when the inode doesn't have it, whatever it is.
absl::StatusOr<std::string_view> xattr_value(const cache_index::IndexReader& layer, std::uint32_t inode,
                                             std::string_view name);

/// Whose eyes a list of names is for: only the superuser sees trusted.* (xattr(7)).
enum class Viewer { kSuperuser, kOther };

/// The names as listxattr(2) gives them, each with a NUL behind it.
absl::StatusOr<std::string> xattr_names(const cache_index::IndexReader& layer, std::uint32_t inode, Viewer viewer);

}  // namespace samara::fuse_fs
