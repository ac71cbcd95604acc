#include "sample_layer.h"

#include <fcntl.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "cache_index/hasher.h"
#include "cache_index/tar_stream.h"

namespace samara::cache_index {
namespace {

constexpr std::size_t kTarBlock = 512;

std::uint64_t next_random(std::uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

std::string tar_header(const SampleEntry& entry) {
  std::string header = entry.path.substr(0, 100);
  header.resize(kTarBlock);
  char fields[64];
  std::snprintf(fields, sizeof fields, "%07o %07o %07o %011llo %011llo ", entry.mode & 07777, entry.uid & 07777777,
                entry.gid & 07777777, static_cast<unsigned long long>(entry.content.size() & 077777777777),
                static_cast<unsigned long long>(entry.mtime_sec & 077777777777));
  header.replace(100, 48, fields, 48);
  header.replace(257, 8, "ustar\00000", 8);
  return header;
}

std::uint32_t add_directory(LayerTree& tree, std::uint32_t parent, const std::string& name) {
  const auto found = tree.nodes[parent].children.find(name);
  if (found != tree.nodes[parent].children.end()) return found->second;
  const auto number = static_cast<std::uint32_t>(tree.nodes.size());
  tree.nodes[parent].children[name] = number;
  tree.nodes.push_back({.mode = S_IFDIR | 0755, .implied = true});
  return number;
}

/// Turns entries into calls of the writer, the tar and the tree, as a tar reader would.
class SampleWriter {
 public:
  SampleWriter(LayerWriter& writer, std::size_t split) : writer_(writer), split_(split == 0 ? SIZE_MAX : split) {
    tree_.nodes.push_back({.mode = S_IFDIR | 0755, .implied = true});
  }

  absl::Status add(const SampleEntry& entry) {
    SAMARA_RETURN_IF_ERROR(framing(tar_header(entry)));
    LayerNode node{.mode = entry.mode,
                   .uid = entry.uid,
                   .gid = entry.gid,
                   .mtime_sec = entry.mtime_sec,
                   .mtime_nsec = entry.mtime_nsec,
                   .rdev_major = entry.rdev_major,
                   .rdev_minor = entry.rdev_minor,
                   .xattrs = entry.xattrs};
    if (S_ISLNK(entry.mode)) node.symlink_target = entry.content;
    if (S_ISREG(entry.mode) && entry.hard_link_to.empty()) SAMARA_RETURN_IF_ERROR(add_data(entry, node));
    place(entry, std::move(node));
    return absl::OkStatus();
  }

  absl::StatusOr<LayerWriter::Written> finish() {
    SAMARA_RETURN_IF_ERROR(framing(std::string(2 * kTarBlock, '\0')));
    return writer_.finish(tree_, sha256(as_bytes(tar_)), tar_.size());
  }
  std::string take_tar() { return std::move(tar_); }

 private:
  absl::Status framing(std::string_view bytes) {
    tar_ += bytes;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(split_, bytes.size()))) {
      SAMARA_RETURN_IF_ERROR(writer_.framing(as_bytes(bytes.substr(0, split_))));
    }
    return absl::OkStatus();
  }

  absl::Status add_data(const SampleEntry& entry, LayerNode& node) {
    node.size = entry.content.size() + entry.hole;
    SAMARA_ASSIGN_OR_RETURN(node.data_offset, writer_.begin_file(node.size));
    tar_ += entry.content;
    std::string_view left = entry.content;
    for (; !left.empty(); left.remove_prefix(std::min(split_, left.size()))) {
      SAMARA_RETURN_IF_ERROR(writer_.data(as_bytes(left.substr(0, split_))));
    }
    // Whatever the split, a hole of gigabytes isn't told byte by byte.
    const std::uint64_t part = std::max<std::uint64_t>(split_, entry.hole / 7 + 1);
    for (std::uint64_t done = 0; done < entry.hole; done += std::min(part, entry.hole - done)) {
      SAMARA_RETURN_IF_ERROR(writer_.hole(std::min(part, entry.hole - done)));
    }
    return framing(std::string((kTarBlock - entry.content.size() % kTarBlock) % kTarBlock, '\0'));
  }

  void place(const SampleEntry& entry, LayerNode node) {
    if (entry.path.empty()) {
      node.children = std::move(tree_.nodes[0].children);
      tree_.nodes[0] = std::move(node);
      return;
    }
    const std::size_t slash = entry.path.rfind('/');
    const std::uint32_t parent = slash == std::string::npos ? 0 : directory(entry.path.substr(0, slash));
    const std::string name = slash == std::string::npos ? entry.path : entry.path.substr(slash + 1);
    const auto found = tree_.nodes[parent].children.find(name);
    if (!entry.hard_link_to.empty()) {
      tree_.nodes[parent].children[name] = existing(entry.hard_link_to);
    } else if (found != tree_.nodes[parent].children.end() && S_ISDIR(node.mode)) {
      node.children = std::move(tree_.nodes[found->second].children);
      tree_.nodes[found->second] = std::move(node);
    } else {
      tree_.nodes[parent].children[name] = static_cast<std::uint32_t>(tree_.nodes.size());
      tree_.nodes.push_back(std::move(node));
    }
  }

  std::uint32_t directory(std::string_view path) {
    std::uint32_t at = 0;
    while (!path.empty()) {
      const std::string_view name = path.substr(0, path.find('/'));
      at = add_directory(tree_, at, std::string(name));
      path.remove_prefix(std::min(path.size(), name.size() + 1));
    }
    return at;
  }

  std::uint32_t existing(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    const std::uint32_t parent = slash == std::string_view::npos ? 0 : directory(path.substr(0, slash));
    const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
    return tree_.nodes[parent].children.at(std::string(name));
  }

  LayerWriter& writer_;
  const std::size_t split_;
  LayerTree tree_;
  std::string tar_;
};

}  // namespace

absl::StatusOr<SampleLayer> write_sample_layer(const std::string& directory, const std::vector<SampleEntry>& entries,
                                               const SampleWriting& writing) {
  ThreadPool pool("sample", writing.threads);
  SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<LayerWriter> writer, LayerWriter::create(directory, pool, writing.known));
  SampleWriter sample(*writer, writing.split);
  for (const SampleEntry& entry : entries) SAMARA_RETURN_IF_ERROR(sample.add(entry));
  SampleLayer layer{.blob_path = directory + "/blob", .index_path = directory + "/index"};
  SAMARA_ASSIGN_OR_RETURN(layer.written, sample.finish());
  layer.tar = sample.take_tar();
  SAMARA_ASSIGN_OR_RETURN(layer.index, IndexReader::open(layer.index_path));
  return layer;
}

std::string sample_bytes(std::uint64_t seed, std::size_t size) {
  std::uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(next_random(state) >> 32);
  return bytes;
}

std::string sample_text(std::uint64_t seed, std::size_t size) {
  std::string text = sample_bytes(seed, size);
  for (char& letter : text) letter = static_cast<char>('a' + (static_cast<unsigned char>(letter) % 16));
  return text;
}

absl::StatusOr<std::uint32_t> find_path(const IndexReader& index, std::string_view path) {
  std::uint32_t at = kRootInode;
  while (!path.empty()) {
    const std::string_view name = path.substr(0, path.find('/'));
    if (!name.empty()) {
      SAMARA_ASSIGN_OR_RETURN(at, index.lookup(at, name));
    }
    path.remove_prefix(std::min(path.size(), name.size() + 1));
  }
  return at;
}

absl::StatusOr<std::string> read_sample_file(const SampleLayer& layer, std::string_view path) {
  SAMARA_ASSIGN_OR_RETURN(const std::uint32_t number, find_path(*layer.index, path));
  SAMARA_ASSIGN_OR_RETURN(const Inode inode, layer.index->inode(number));
  SAMARA_ASSIGN_OR_RETURN(const Fd blob, open_file(layer.blob_path, O_RDONLY));
  const ChunkSource chunks = blob_file_source(blob.get());
  std::string content;
  while (content.size() < inode.size) {
    const std::uint64_t at = inode.data_offset + content.size();
    SAMARA_ASSIGN_OR_RETURN(const std::uint32_t position, layer.index->chunk_at(at));
    SAMARA_ASSIGN_OR_RETURN(const Chunk chunk, layer.index->chunk(position));
    SAMARA_ASSIGN_OR_RETURN(const std::string bytes, chunks(chunk));
    content += bytes.substr(at - chunk.stream_offset, inode.size - content.size());
  }
  return content;
}

}  // namespace samara::cache_index
