#include "test_layer.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/file.h"
#include "cache_index/frame.h"
#include "cache_index/hasher.h"
#include "cache_index/layer_writer.h"

namespace samara::fuse_fs {
namespace {

using cache_index::Chunk;
using cache_index::LayerNode;

/// An index and the memory it lies in.
struct OwnedIndex {
  std::string bytes;
  std::unique_ptr<cache_index::IndexReader> reader;
};

std::pair<std::string_view, std::string_view> split(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

TestLayer::TestLayer() {
  tree_.nodes.emplace_back();
  root().mode = S_IFDIR | 0755;
}

std::uint32_t TestLayer::find(std::string_view path) const {
  std::uint32_t at = 0;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    at = tree_.nodes[at].children.at(std::string(path.substr(0, end)));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return at;
}

LayerNode& TestLayer::node(std::string_view path) { return tree_.nodes[find(path)]; }

LayerNode& TestLayer::add(std::string_view path, std::uint32_t mode) {
  const auto [above, name] = split(path);
  const std::uint32_t parent = find(above);
  const auto number = static_cast<std::uint32_t>(tree_.nodes.size());
  tree_.nodes[parent].children.emplace(name, number);
  LayerNode& node = tree_.nodes.emplace_back();
  node.mode = mode;
  return node;
}

LayerNode& TestLayer::directory(std::string_view path) { return add(path, S_IFDIR | 0755); }

LayerNode& TestLayer::file(std::string_view path, std::string_view content) {
  LayerNode& node = add(path, S_IFREG | 0644);
  stream_.resize((stream_.size() + cache_index::kStreamAlignment - 1) / cache_index::kStreamAlignment *
                 cache_index::kStreamAlignment);
  node.data_offset = stream_.size();
  node.size = content.size();
  stream_.append(content);
  return node;
}

LayerNode& TestLayer::symlink(std::string_view path, std::string_view target) {
  LayerNode& node = add(path, S_IFLNK | 0777);
  node.symlink_target = target;
  node.size = target.size();
  return node;
}

LayerNode& TestLayer::device(std::string_view path, std::uint32_t type, std::uint32_t major, std::uint32_t minor) {
  LayerNode& node = add(path, type | 0600);
  node.rdev_major = major;
  node.rdev_minor = minor;
  return node;
}

void TestLayer::hard_link(std::string_view path, std::string_view existing) {
  const std::uint32_t number = find(existing);
  const auto [above, name] = split(path);
  tree_.nodes[find(above)].children.emplace(name, number);
}

std::string TestLayer::encode(std::uint32_t chunk_bytes, std::string* blob) const {
  std::vector<Chunk> chunks;
  cache_index::FrameCompressor compressor;
  std::uint64_t blob_offset = 0;
  for (std::uint64_t at = 0; at < stream_.size(); at += chunk_bytes) {
    const std::string_view bytes = std::string_view(stream_).substr(at, chunk_bytes);
    const std::string frame = blob == nullptr ? "-" : compressor.compress(as_bytes(bytes));
    chunks.push_back({.digest = cache_index::sha256(as_bytes(bytes)),
                      .stream_offset = at,
                      .stream_size = static_cast<std::uint32_t>(bytes.size()),
                      .blob_offset = blob_offset,
                      .blob_size = static_cast<std::uint32_t>(frame.size())});
    blob_offset += frame.size();
    if (blob != nullptr) blob->append(frame);
  }
  cache_index::LayerInfo info;
  info.diff_id = cache_index::sha256(as_bytes(stream_ + std::to_string(tree_.nodes.size())));
  info.blob = cache_index::sha256(as_bytes(stream_));
  info.blob_size = blob_offset;
  info.stream_size = stream_.size();
  auto index = cache_index::encode_index(tree_, info, chunks, {});
  if (!index.ok()) throw std::runtime_error(index.status().ToString());
  return *std::move(index);
}

peer::LayerIndex TestLayer::build(std::uint32_t chunk_bytes) {
  auto owned = std::make_shared<OwnedIndex>();
  owned->bytes = encode(chunk_bytes, nullptr);
  auto reader = cache_index::IndexReader::view(as_bytes(owned->bytes));
  if (!reader.ok()) throw std::runtime_error(reader.status().ToString());
  owned->reader = *std::move(reader);
  return {owned, owned->reader.get()};
}

void TestLayer::write(const std::string& directory, std::uint32_t chunk_bytes) {
  std::string blob;
  const std::string index = encode(chunk_bytes, &blob);
  for (const auto& [name, content] : {std::pair{"index", &index}, std::pair{"blob", &std::as_const(blob)}}) {
    const absl::Status written = write_file_atomic(directory + "/" + name, *content);
    if (!written.ok()) throw std::runtime_error(written.ToString());
  }
}

std::string pattern(std::size_t size, std::uint32_t seed) {
  std::string out(size, '\0');
  std::uint64_t state = seed * 0x9e37'79b9'7f4a'7c15ull + 1;
  for (char& byte : out) {  // xorshift64
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<char>(state);
  }
  return out;
}

}  // namespace samara::fuse_fs
