#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/file.h"
#include "cache_index/cache.h"
#include "cache_index/frame.h"
#include "cache_index/hasher.h"

namespace samara::cache_index {

/// A chunk, its bytes and its frame.
struct MadeChunk {
  Chunk chunk;
  std::string bytes;
  std::string frame;
};

/// The chunk of these bytes, its frame at `blob_offset`.
inline MadeChunk make_chunk(std::string bytes, std::uint64_t blob_offset = 0) {
  MadeChunk made;
  made.bytes = std::move(bytes);
  made.frame = FrameCompressor().compress(as_bytes(made.bytes));
  made.chunk.digest = sha256(as_bytes(made.bytes));
  made.chunk.stream_size = static_cast<std::uint32_t>(made.bytes.size());
  made.chunk.blob_offset = blob_offset;
  made.chunk.blob_size = static_cast<std::uint32_t>(made.frame.size());
  return made;
}

inline Digest digest_of(std::string_view text) { return sha256(as_bytes(text)); }

/// A cache in a directory of its own that a test may close and open again.
class CacheTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    cache_.reset();
    auto cache = Cache::open({.root = root_});
    ASSERT_TRUE(cache.ok()) << cache.status();
    cache_ = *std::move(cache);
  }

  /// Turns one byte of a file.
  static void alter(const std::string& path, std::uint64_t at) {
    const auto fd = open_file(path, 2 /* O_RDWR */);
    ASSERT_TRUE(fd.ok()) << fd.status();
    std::uint8_t byte = 0;
    ASSERT_TRUE(pread_all(fd->get(), {&byte, 1}, at).ok());
    byte ^= 0x40;
    ASSERT_TRUE(pwrite_all(fd->get(), {&byte, 1}, at).ok());
  }

  TempDir dir_ = *TempDir::create("cache");
  const std::string root_ = dir_.path() + "/cache";
  std::unique_ptr<Cache> cache_;
};

}  // namespace samara::cache_index
