#include <sys/stat.h>

#include <array>
#include <limits>
#include <unordered_map>
#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "cache_index/hasher.h"
#include "cache_index/layer_writer.h"
#include "chunker.h"
#include "frame_content.h"
#include "index_format.h"
#include "little_endian.h"
#include "tree_order.h"

namespace samara::cache_index {
namespace {

using namespace index_format;

void append_bytes(std::string& to, std::span<const std::uint8_t> bytes) { to.append(as_text(bytes)); }

/// Entry names, link targets and xattrs in one heap; what occurs twice is stored at its first place.
class Names {
 public:
  std::uint32_t add(std::string_view bytes) {
    if (bytes.empty()) return 0;
    const auto [at, added] = offsets_.try_emplace(bytes, static_cast<std::uint32_t>(heap_.size()));
    if (added) heap_.append(bytes);
    return at->second;
  }
  bool too_large() const { return heap_.size() > std::numeric_limits<std::uint32_t>::max(); }
  std::string take() { return std::move(heap_); }

 private:
  std::string heap_;
  std::unordered_map<std::string_view, std::uint32_t> offsets_;  // the keys lie in the tree
};

/// Builds the four sections that describe the tree.
class TreeEncoder {
 public:
  TreeEncoder(const LayerTree& tree, const TreeOrder& order) : tree_(tree), order_(order) {}

  absl::Status run() {
    for (std::size_t i = 0; i < order_.nodes.size(); ++i) {
      const LayerNode& node = tree_.nodes[order_.nodes[i]];
      add_inode(node, i);
      for (const auto& [name, child] : node.children) add_dirent(name, child);
      if (names_.too_large() || xattrs_.size() > std::numeric_limits<std::uint32_t>::max() - 1) {
        return absl::ResourceExhaustedError("layer tree: more than 4 GiB of names");
      }
    }
    return absl::OkStatus();
  }

  void take(std::array<std::string, kSectionCount>& sections) {
    sections[kInodes] = std::move(inodes_);
    sections[kDirents] = std::move(dirents_);
    sections[kNames] = names_.take();
    sections[kXattrs] = std::move(xattrs_);
  }

 private:
  void add_inode(const LayerNode& node, std::size_t i) {
    append_le(inodes_, static_cast<std::uint16_t>(node.mode));
    append_le(inodes_, static_cast<std::uint16_t>(node.implied ? inode::kImplied : 0));
    append_le(inodes_, node.uid);
    append_le(inodes_, node.gid);
    append_le(inodes_, order_.nlink[i]);
    append_le(inodes_, size_field(node, i));
    append_le(inodes_, static_cast<std::uint64_t>(node.mtime_sec));
    append_le(inodes_, node.mtime_nsec);
    append_le(inodes_, xattr_set(node));
    append_le(inodes_, payload(node));
  }

  std::uint64_t size_field(const LayerNode& node, std::size_t i) const {
    if (S_ISREG(node.mode)) return node.size;
    if (S_ISLNK(node.mode)) return node.symlink_target.size();
    if (S_ISDIR(node.mode)) return order_.parent[i];
    return 0;
  }

  std::uint64_t payload(const LayerNode& node) {
    const auto pair = [](std::uint64_t low, std::uint64_t high) { return low | high << 32; };
    if (S_ISREG(node.mode)) return node.data_offset;
    if (S_ISLNK(node.mode)) return names_.add(node.symlink_target);
    if (S_ISDIR(node.mode)) return pair(dirents_.size() / kDirentBytes, node.children.size());
    if (S_ISCHR(node.mode) || S_ISBLK(node.mode)) return pair(node.rdev_major, node.rdev_minor);
    return 0;
  }

  std::uint32_t xattr_set(const LayerNode& node) {
    if (node.xattrs.empty()) return 0;
    std::string set;
    append_le(set, static_cast<std::uint32_t>(node.xattrs.size()));
    for (const auto& [name, value] : node.xattrs) {
      append_le(set, names_.add(name));
      append_le(set, static_cast<std::uint32_t>(name.size()));
      append_le(set, names_.add(value));
      append_le(set, static_cast<std::uint32_t>(value.size()));
    }
    const auto [at, added] = xattr_sets_.try_emplace(set, static_cast<std::uint32_t>(xattrs_.size() + 1));
    if (added) xattrs_ += set;
    return at->second;
  }

  void add_dirent(const std::string& name, std::uint32_t child) {
    append_le(dirents_, names_.add(name));
    append_le(dirents_, order_.inode_of[child]);
    append_le(dirents_, static_cast<std::uint16_t>(name.size()));
    append_le(dirents_, static_cast<std::uint16_t>(tree_.nodes[child].mode & S_IFMT));
  }

  const LayerTree& tree_;
  const TreeOrder& order_;
  std::string inodes_, dirents_, xattrs_;
  Names names_;
  std::unordered_map<std::string, std::uint32_t> xattr_sets_;
};

std::string encode_chunks(std::span<const Chunk> chunks) {
  std::string table;
  table.reserve(chunks.size() * kChunkBytes);
  for (const Chunk& chunk : chunks) {
    append_bytes(table, chunk.digest.bytes());
    append_le(table, chunk.stream_offset);
    append_le(table, chunk.blob_offset);
    append_le(table, chunk.stream_size);
    append_le(table, chunk.blob_size);
  }
  return table;
}

constexpr std::size_t aligned(std::size_t size) { return (size + kSectionAlignment - 1) & ~(kSectionAlignment - 1); }

std::string encode_header(const LayerInfo& info, std::uint32_t inodes, std::uint32_t chunks) {
  std::string head(kMagic);
  append_le(head, kVersion);
  append_le(head, static_cast<std::uint32_t>(kHeaderBytes));
  for (const std::uint32_t field : making_parameters()) append_le(head, field);
  for (const std::uint64_t field : {info.blob_size, info.stream_size, info.tar_size}) append_le(head, field);
  append_le(head, inodes);
  append_le(head, chunks);
  append_bytes(head, info.diff_id.bytes());
  append_bytes(head, info.blob.bytes());
  return head;
}

}  // namespace

absl::StatusOr<std::string> encode_index(const LayerTree& tree, const LayerInfo& info, std::span<const Chunk> chunks,
                                         std::span<const std::uint8_t> compressed_framing) {
  for (const Digest* digest : {&info.diff_id, &info.blob}) {
    if (digest->algorithm() != Digest::Algorithm::kSha256) {
      return absl::InvalidArgumentError("an index holds SHA-256 only");
    }
  }
  SAMARA_ASSIGN_OR_RETURN(const TreeOrder order, order_tree(tree, info.stream_size));
  TreeEncoder encoder(tree, order);
  SAMARA_RETURN_IF_ERROR(encoder.run());

  std::array<std::string, kSectionCount> sections;
  encoder.take(sections);
  sections[kChunks] = encode_chunks(chunks);
  sections[kFraming] = as_text(compressed_framing);

  std::string index = encode_header(info, static_cast<std::uint32_t>(order.nodes.size()),
                                    static_cast<std::uint32_t>(chunks.size()));
  std::uint64_t offset = kHeaderBytes;
  for (std::string& section : sections) {
    append_le(index, offset);
    append_le(index, std::uint64_t{section.size()});
    append_bytes(index, sha256(as_bytes(section)).bytes());
    if (&section != &sections[kFraming]) section.resize(aligned(section.size()));
    offset += section.size();
  }
  index.resize(kChecksumOffset);
  append_bytes(index, sha256(as_bytes(index)).bytes());
  index.reserve(offset);
  for (std::string& section : sections) index.append(std::exchange(section, {}));
  return index;
}

}  // namespace samara::cache_index
