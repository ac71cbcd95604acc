#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/metrics.h"
#include "fake_chunk_reader.h"
#include "fuse_fs/lazy_mount.h"
#include "test_layer.h"

namespace samara::fuse_fs {

/// A real mount of a layer that the test puts together. Needs root and /dev/fuse.
///
/// Looking into one's own mount is safe here: the mount is served by threads of its own.
class MountTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0 || access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "needs root and /dev/fuse";
  }

  std::string mountpoint() const { return dir_.path() + "/mnt"; }

  /// Mounts; chunks come from `layer_`.
  LazyMount& mount() {
    chunks_.emplace(layer_.stream());
    auto created = LazyMount::create({.mountpoint = mountpoint()}, *chunks_, metrics_);
    EXPECT_TRUE(created.ok()) << created.status();
    mount_ = std::move(created).value();
    return *mount_;
  }

  /// Mounts with `layer_` in slot 0, and gives its path.
  std::string mount_layer(std::uint32_t chunk_bytes = 64u << 10) {
    return mount().attach(0, layer_.build(chunk_bytes)).value();
  }

  double operations(const char* kind) {
    return metrics_.counter("samara_fuse_operations_total", "Requests of the kernel.", {{"op", kind}}).value();
  }

  TempDir dir_ = TempDir::create("fuse-mount").value();
  TestLayer layer_;
  Metrics metrics_;
  std::optional<FakeChunkReader> chunks_;
  std::unique_ptr<LazyMount> mount_;
};

inline struct stat stat_of(const std::string& path) {
  struct stat out {};
  EXPECT_EQ(::lstat(path.c_str(), &out), 0) << path << ": " << std::strerror(errno);
  return out;
}

/// 0, or why the path can't be looked up.
inline int lookup_error(const std::string& path) {
  struct stat out;
  return ::lstat(path.c_str(), &out) == 0 ? 0 : errno;
}

inline std::string content_of(const std::string& path) {
  const auto content = read_file(path, 1u << 30);
  EXPECT_TRUE(content.ok()) << content.status();
  return content.value_or("");
}

}  // namespace samara::fuse_fs
