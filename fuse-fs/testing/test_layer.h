#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache_index/layer_tree.h"
#include "peer/chunk_reader.h"

namespace samara::fuse_fs {

/// A layer put together by hand: an index in memory and the data stream it describes, cut at fixed places, so that a
/// test knows which chunk holds which byte.
///
///   TestLayer layer;
///   layer.directory("etc");
///   layer.file("etc/hostname", "edge-17\n").mode = S_IFREG | 0600;
///   auto index = layer.build();
///
/// Parents must exist. References stay good until the next call that adds something.
class TestLayer {
 public:
  TestLayer();

  cache_index::LayerNode& root() { return tree_.nodes[0]; }
  cache_index::LayerNode& directory(std::string_view path);
  cache_index::LayerNode& file(std::string_view path, std::string_view content);
  cache_index::LayerNode& symlink(std::string_view path, std::string_view target);
  cache_index::LayerNode& device(std::string_view path, std::uint32_t type, std::uint32_t major, std::uint32_t minor);
  cache_index::LayerNode& whiteout(std::string_view path) { return device(path, S_IFCHR, 0, 0); }
  void hard_link(std::string_view path, std::string_view existing);
  cache_index::LayerNode& node(std::string_view path);

  /// Chunks of `chunk_bytes` each, the last one shorter.
  peer::LayerIndex build(std::uint32_t chunk_bytes = 64u << 10);

  const std::string& stream() const { return stream_; }
  /// Writes `<directory>/index` and `<directory>/blob`, a real one.
  void write(const std::string& directory, std::uint32_t chunk_bytes = 64u << 10);

 private:
  std::uint32_t find(std::string_view path) const;
  cache_index::LayerNode& add(std::string_view path, std::uint32_t mode);
  std::string encode(std::uint32_t chunk_bytes, std::string* blob) const;

  cache_index::LayerTree tree_;
  std::string stream_;
};

/// Bytes that look random; the same for the same `size` and `seed`.
std::string pattern(std::size_t size, std::uint32_t seed = 1);

}  // namespace samara::fuse_fs
