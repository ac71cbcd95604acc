#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/byte_range.h"
#include "base/digest.h"
#include "base/text.h"

namespace samara::cache_index {

/// Where the bytes of an object or blob lie below a cache's root.
inline std::string object_path_in(const std::string& root, const Digest& digest) {
  const std::string hex = digest.hex();
  return str_cat(root, "/objects/", digest.algorithm_name(), "/", hex.substr(0, 2), "/", hex);
}

/// Takes back ranges of a file's middle; its size stays. Only whole blocks become free.
absl::Status punch_hole(int fd, const ByteRange& range);

}  // namespace samara::cache_index
