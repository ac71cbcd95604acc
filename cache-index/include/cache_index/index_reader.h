#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"
#include "cache_index/chunk.h"

namespace samara::cache_index {

/// A node of a layer. Numbers are inode numbers within the layer; the root is kRootInode.
struct Inode {
  std::uint32_t mode = 0, uid = 0, gid = 0, nlink = 0;
  std::uint64_t size = 0;  ///< file bytes, or the length of a symlink's target
  std::int64_t mtime_sec = 0;
  std::uint32_t mtime_nsec = 0;
  std::uint32_t rdev_major = 0, rdev_minor = 0;
  std::uint64_t data_offset = 0;  ///< of a regular file in the data stream
  bool implied = false;           ///< see LayerNode::implied
};

inline constexpr std::uint32_t kRootInode = 1;

struct Dirent {
  std::string_view name;  ///< lives as long as the reader
  std::uint32_t inode = 0;
  std::uint32_t type = 0;  ///< S_IFMT bits of the inode's mode
};

/// What identifies a converted layer, and its measures.
struct LayerInfo {
  std::uint32_t format_version = 0;
  Digest diff_id;  ///< SHA-256 of the tar
  Digest blob;     ///< SHA-256 of the blob
  std::uint64_t blob_size = 0;
  std::uint64_t stream_size = 0;  ///< bytes of the data stream
  std::uint64_t tar_size = 0;     ///< bytes of the tar
  std::uint32_t inode_count = 0;
  std::uint32_t chunk_count = 0;
};

/// A layer's index, mapped read-only from its file; docs/index-format.md is the layout.
///
/// Opening checks header and section bounds and costs no pass over the content; every accessor checks what it
/// follows, so that an index of any bytes gives errors and never a crash, a hang or a large allocation. Who fetched the
/// file from elsewhere checks its digest first. The file must not be cut short while it is mapped: the cache only ever
/// renames complete files into place and unlinks them.
/// Errors: DataLoss (damaged), NotFound (no such inode, name, entry or chunk), FailedPrecondition (not a directory,
/// not a symbolic link), Unimplemented (newer format version).
/// Threads: any; immutable.
class IndexReader {
 public:
  static absl::StatusOr<std::unique_ptr<IndexReader>> open(const std::string& path);
  /// Reads an index that lies in memory; `bytes` must outlive the reader.
  static absl::StatusOr<std::unique_ptr<IndexReader>> view(std::span<const std::uint8_t> bytes);
  ~IndexReader();
  IndexReader(const IndexReader&) = delete;

  const LayerInfo& info() const { return info_; }

  /// Whether the layer was cut and compressed as this program would: the same parameters and the same release of libzstd.
  /// Then each of its frames is what compressing its chunk here would give.
  bool is_made_as_here() const;

  /// Reads everything and compares each section with its checksum in the header: for whoever holds an index without
  /// knowing its digest.
  absl::Status check_content() const;

  absl::StatusOr<Inode> inode(std::uint32_t number) const;
  /// Binary search in the directory's sorted entries.
  absl::StatusOr<std::uint32_t> lookup(std::uint32_t directory, std::string_view name) const;
  /// Entries of `directory`, sorted bytewise, without "." and "..".
  absl::StatusOr<std::uint32_t> entry_count(std::uint32_t directory) const;
  absl::StatusOr<Dirent> entry(std::uint32_t directory, std::uint32_t position) const;
  absl::StatusOr<std::uint32_t> parent(std::uint32_t directory) const;  ///< the root's parent is the root
  absl::StatusOr<std::string_view> symlink_target(std::uint32_t number) const;
  absl::StatusOr<std::vector<std::pair<std::string_view, std::string_view>>> xattrs(std::uint32_t number) const;
  /// Whether any inode has extended attributes.
  bool has_xattrs() const;

  /// Chunk `position` of chunk_count, in stream order: contiguous from 0 to stream_size.
  absl::StatusOr<Chunk> chunk(std::uint32_t position) const;
  /// The position of the chunk that holds this byte of the stream; OutOfRange past the end.
  absl::StatusOr<std::uint32_t> chunk_at(std::uint64_t stream_offset) const;

  /// The tar framing section, compressed; tar_stream.h replays it.
  std::span<const std::uint8_t> framing() const;

 private:
  struct Layout;
  IndexReader();
  absl::Status load();
  LayerInfo info_;
  std::unique_ptr<Layout> layout_;
};

}  // namespace samara::cache_index
