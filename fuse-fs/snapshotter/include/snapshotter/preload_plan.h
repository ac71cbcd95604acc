#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "peer/chunk_reader.h"
#include "peer/start_trace.h"

namespace samara::snapshotter {

/// What the kernel can be given of the files that a start is known to touch, as their chunks come.
/// Threads: none.
class PreloadPlan {
 public:
  using Chunk = peer::StartTrace::Chunk;
  struct MountedLayer {
    peer::LayerIndex index;
    std::string path;  ///< of its root in the lazy mount
  };
  /// Whole pages, or with a size of 0 the name alone (any kind of file).
  struct Load {
    std::string root;  ///< MountedLayer::path
    std::string path;  ///< below it
    std::uint64_t offset = 0, size = 0;
    bool operator==(const Load&) const = default;
  };

  PreloadPlan() = default;
  /// Chunks that the trace doesn't name are left to whoever reads them; so are files that a layer hasn't got.
  PreloadPlan(const std::vector<MountedLayer>& layers, const peer::StartTrace& trace);

  /// Files of which nothing is read, or of any kind but regular ones.
  const std::vector<Load>& names() const { return names_; }
  /// Now that this chunk is here: each page that lies in it and otherwise in chunks that are here.
  std::vector<Load> arrived(const Chunk& chunk);

 private:
  struct File {
    std::string root, path;
    peer::LayerIndex layer;
    std::uint64_t data_offset = 0, size = 0;
  };
  void add(const MountedLayer& layer, const std::map<std::uint32_t, std::string>& paths, std::uint32_t inode,
           const std::set<Chunk>& read);

  std::vector<Load> names_;
  std::vector<File> files_;
  std::map<Chunk, std::vector<std::size_t>> in_chunk_;  // places in files_
  std::set<Chunk> here_;
};

}  // namespace samara::snapshotter
