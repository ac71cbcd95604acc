#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cache_index/index_reader.h"
#include "cache_index/layer_tree.h"
#include "cache_index/layer_writer.h"

namespace samara::cache_index {

/// One entry of a layer that a test makes up.
struct SampleEntry {
  std::string path{};  ///< "usr/bin/tool"; "" is the root; directories above it that nobody names are implied
  std::uint32_t mode = S_IFREG | 0644;
  std::string content{};  ///< of a regular file, or the target of a symbolic link
  std::uint64_t hole = 0;  ///< zeros behind the content that the tar doesn't hold
  std::uint32_t uid = 0, gid = 0;
  std::int64_t mtime_sec = 1'600'000'000;
  std::uint32_t mtime_nsec = 0;
  std::uint32_t rdev_major = 0, rdev_minor = 0;
  std::map<std::string, std::string> xattrs{};
  std::string hard_link_to{};  ///< path of an earlier entry, to which `path` becomes another name
};

struct SampleLayer {
  std::string blob_path{}, index_path{};
  std::string tar{};  ///< tar-shaped: a 512-byte header an entry, data padded to 512; its SHA-256 is the diffID
  LayerWriter::Written written{};
  std::unique_ptr<IndexReader> index{};  ///< over index_path
};

/// How the writer is called: the layer must come out the same for any of them.
struct SampleWriting {
  std::size_t threads = 2;
  std::size_t split = 0;  ///< bytes a call of framing(), data() and hole(); 0: all at once
  const KnownFrames* known = nullptr;
};

/// Writes `<directory>/blob` and `<directory>/index` of a layer with these entries.
absl::StatusOr<SampleLayer> write_sample_layer(const std::string& directory, const std::vector<SampleEntry>& entries,
                                               const SampleWriting& writing = {});

/// `size` bytes that look random, the same for the same seed; sample_text() of letters, which compress to about half.
std::string sample_bytes(std::uint64_t seed, std::size_t size);
std::string sample_text(std::uint64_t seed, std::size_t size);

/// The inode that an absolute or relative path names, one lookup a component, symbolic links not followed.
absl::StatusOr<std::uint32_t> find_path(const IndexReader& index, std::string_view path);

/// A file's bytes, read through the chunks of its blob.
absl::StatusOr<std::string> read_sample_file(const SampleLayer& layer, std::string_view path);

}  // namespace samara::cache_index
