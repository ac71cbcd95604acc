#include "snapshotter/layer_paths.h"

#include <sys/stat.h>

#include <utility>
#include <vector>

#include "base/text.h"

namespace samara::snapshotter {

std::map<std::uint32_t, std::string> paths_of(const cache_index::IndexReader& layer, const std::set<std::uint32_t>& inodes) {
  std::map<std::uint32_t, std::string> paths;
  std::set<std::uint32_t> seen{cache_index::kRootInode};  // an index may run in a circle
  std::vector<std::pair<std::uint32_t, std::string>> directories{{cache_index::kRootInode, ""}};
  while (!directories.empty() && paths.size() < inodes.size()) {
    const auto [directory, path] = std::move(directories.back());
    directories.pop_back();
    const std::uint32_t count = layer.entry_count(directory).value_or(0);
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto entry = layer.entry(directory, i);
      if (!entry.ok()) break;
      const bool is_wanted = inodes.contains(entry->inode), is_directory = S_ISDIR(entry->type);
      if (!is_wanted && !is_directory) continue;
      std::string own = str_cat(path, "/", entry->name);
      if (is_wanted) paths.try_emplace(entry->inode, own);
      if (is_directory && seen.insert(entry->inode).second) directories.emplace_back(entry->inode, std::move(own));
    }
  }
  return paths;
}

}  // namespace samara::snapshotter
