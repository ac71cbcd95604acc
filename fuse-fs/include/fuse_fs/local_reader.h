#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/digest.h"
#include "base/file.h"
#include "peer/chunk_reader.h"

namespace samara::fuse_fs {

/// A ChunkReader over blobs that lie complete on this machine, without a cache or a network: for looking into converted
/// layers. Each chunk is verified as it is decoded; the last used ones stay in memory.
/// Errors: NotFound (no blob for the layer), DataLoss (the blob isn't what the index says), OutOfRange (no such chunk),
/// and what the disk answers.
/// Threads: any; decodes on threads of its own, reads before prefetches. The destructor finishes what was asked for.
class LocalReader final : public peer::ChunkReader {
 public:
  struct Options {
    std::size_t threads = 2;
    std::uint64_t memory_bytes = 64u << 20;  ///< of decoded chunks
  };
  explicit LocalReader(const Options& options);
  ~LocalReader() override;

  /// The blob file that holds the chunks of layers whose index names `blob`.
  void add_blob(const Digest& blob, Fd file);

  void read(const peer::LayerIndex& layer, std::uint32_t chunk, peer::FetchClass urgency, Done done) override;
  void prefetch(const peer::LayerIndex& layer, std::uint32_t first, std::uint32_t count,
                peer::FetchClass urgency) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace samara::fuse_fs
