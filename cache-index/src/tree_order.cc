#include "tree_order.h"

#include <sys/stat.h>

#include "absl/strings/escaping.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/chunk.h"
#include "cache_index/index_reader.h"
#include "index_format.h"

namespace samara::cache_index {
namespace {

absl::Status check_xattrs(const LayerNode& node) {
  if (node.xattrs.size() > index_format::kMaxXattrs) return absl::InvalidArgumentError("too many xattrs");
  for (const auto& [name, value] : node.xattrs) {
    if (name.empty() || name.size() > index_format::kMaxXattrNameBytes || name.find('\0') != std::string::npos) {
      return absl::InvalidArgumentError("impossible xattr name");
    }
    if (value.size() > index_format::kMaxXattrValueBytes) return absl::InvalidArgumentError("xattr value too long");
  }
  return absl::OkStatus();
}

absl::Status check_node(const LayerNode& node, std::uint64_t stream_size) {
  if (!index_format::is_mode(node.mode)) return absl::InvalidArgumentError(str_cat("impossible mode ", node.mode));
  if (node.mtime_nsec > 999'999'999) return absl::InvalidArgumentError("impossible nanoseconds");
  if (S_ISREG(node.mode)) {
    if (node.data_offset % kStreamAlignment != 0) return absl::InvalidArgumentError("data is not aligned");
    if (node.data_offset > stream_size || node.size > stream_size - node.data_offset) {
      return absl::InvalidArgumentError("data outside the stream");
    }
  }
  if (S_ISLNK(node.mode)) {
    const std::string& target = node.symlink_target;
    if (target.empty() || target.size() > index_format::kMaxSymlinkBytes || target.find('\0') != std::string::npos) {
      return absl::InvalidArgumentError("impossible link target");
    }
  }
  if (!S_ISDIR(node.mode) && !node.children.empty()) return absl::InvalidArgumentError("not a directory, has entries");
  return check_xattrs(node);
}

class Orderer {
 public:
  Orderer(const LayerTree& tree, std::uint64_t stream_size) : tree_(tree), stream_size_(stream_size) {
    order_.inode_of.resize(tree.nodes.size());
  }

  absl::StatusOr<TreeOrder> run() {
    if (tree_.nodes.empty() || !S_ISDIR(tree_.nodes[0].mode)) {
      return absl::InvalidArgumentError("layer tree: the root is not a directory");
    }
    SAMARA_RETURN_IF_ERROR(check_node(tree_.nodes[0], stream_size_));
    add(0, kRootInode);
    for (std::size_t i = 0; i < order_.nodes.size(); ++i) {  // grows on the way: the queue of the breadth-first walk
      if (S_ISDIR(tree_.nodes[order_.nodes[i]].mode)) SAMARA_RETURN_IF_ERROR(add_entries(i));
    }
    return std::move(order_);
  }

 private:
  void add(std::uint32_t node, std::uint32_t parent) {
    order_.nodes.push_back(node);
    order_.inode_of[node] = static_cast<std::uint32_t>(order_.nodes.size());
    order_.nlink.push_back(S_ISDIR(tree_.nodes[node].mode) ? 2 : 0);
    order_.parent.push_back(parent);
  }

  absl::Status add_entries(std::size_t directory) {
    for (const auto& [name, node] : tree_.nodes[order_.nodes[directory]].children) {
      if (const absl::Status status = add_entry(directory, name, node); !status.ok()) {
        return annotate(status, str_cat("layer tree: ", absl::CHexEscape(name.substr(0, 256))));
      }
    }
    return absl::OkStatus();
  }

  absl::Status add_entry(std::size_t directory, const std::string& name, std::uint32_t node) {
    if (!index_format::is_entry_name(name)) return absl::InvalidArgumentError("impossible name");
    if (node >= tree_.nodes.size()) return absl::InvalidArgumentError("no such node");
    const bool is_directory = S_ISDIR(tree_.nodes[node].mode);
    if (order_.inode_of[node] == 0) {
      SAMARA_RETURN_IF_ERROR(check_node(tree_.nodes[node], stream_size_));
      add(node, static_cast<std::uint32_t>(directory + 1));
    } else if (is_directory) {
      return absl::InvalidArgumentError("directory with two names");
    }
    ++order_.nlink[is_directory ? directory : order_.inode_of[node] - 1];
    return absl::OkStatus();
  }

  const LayerTree& tree_;
  std::uint64_t stream_size_;
  TreeOrder order_;
};

}  // namespace

absl::StatusOr<TreeOrder> order_tree(const LayerTree& tree, std::uint64_t stream_size) {
  return Orderer(tree, stream_size).run();
}

}  // namespace samara::cache_index
