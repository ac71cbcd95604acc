#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pax.h"
#include "sparse_map.h"
#include "tar_entry.h"
#include "tar_header.h"

namespace samara::convert {

/// Takes what a TarReader finds. framing() and data() together are every byte of the tar, in order.
class TarSink {
 public:
  enum class Data { kKeep, kSkip };

  virtual ~TarSink() = default;
  /// Bytes that aren't file data: headers, padding, the end, and the data of entries that answered kSkip.
  virtual absl::Status framing(std::span<const std::uint8_t> bytes) = 0;
  /// An entry, after its headers went to framing(). kKeep: its content follows as data() and hole().
  virtual absl::StatusOr<Data> entry(const TarEntry& entry) = 0;
  virtual absl::Status data(std::span<const std::uint8_t> bytes) = 0;
  /// Zeros of a sparse file that the tar doesn't hold.
  virtual absl::Status hole(std::uint64_t size) = 0;
};

/// Reads a tar that is pushed into it in pieces of any size: v7, ustar, star, GNU (long names, base-256 numbers, old
/// sparse files) and pax (extended headers, sparse formats 0.0, 0.1 and 1.0).
///
/// It reads as Go's archive/tar does, since containerd reads through that: pax global headers are entries that set
/// nothing for others; links, directories and devices have no data whatever their size field says; the archive ends at two zero
/// blocks (what follows them is framing), or after one, or without any, or before the padding of the last file.
/// Bounds: a pax header or sparse map of 1 MiB, names of kMaxPathBytes.
/// Errors: DataLoss (not a tar, or cut short, naming entry and offset), Unimplemented (an entry type that isn't
/// known), those of the sink. After an error every call returns it.
/// Threads: one at a time; starts none.
class TarReader {
 public:
  explicit TarReader(TarSink& sink) : sink_(sink) {}  ///< borrows the sink

  absl::Status push(std::span<const std::uint8_t> bytes);
  /// The tar ends here.
  absl::Status finish();
  /// Bytes pushed so far.
  std::uint64_t tar_size() const { return offset_; }

 private:
  enum class State {
    kHeader,           ///< collecting a header block
    kSecondZero,       ///< one zero block came
    kMeta,             ///< in the content of a header of type x, g, L or K
    kSparseExtension,  ///< collecting an extension block of an old GNU sparse header
    kSparseMap,        ///< collecting a block of the map before a pax 1.0 sparse file's data
    kData,
    kPadding,
    kRest,  ///< after the end
  };
  /// What extended headers said about the next entry.
  struct Pending {
    PaxRecords pax;
    std::optional<std::string> long_name, long_link;
  };

  absl::StatusOr<std::size_t> step(std::span<const std::uint8_t> bytes);
  absl::StatusOr<std::size_t> collect_block(std::span<const std::uint8_t> bytes);
  absl::StatusOr<std::size_t> collect_meta(std::span<const std::uint8_t> bytes);
  absl::StatusOr<std::size_t> pass_data(std::span<const std::uint8_t> bytes);
  absl::StatusOr<std::size_t> pass_framing(std::span<const std::uint8_t> bytes, std::uint64_t limit);

  absl::Status block_complete();
  absl::Status header_complete();
  absl::Status begin_meta(const TarHeader& header);
  absl::Status meta_complete();
  absl::Status global_header(const PaxRecords& records);
  absl::Status begin_entry(const TarHeader& header);
  absl::Status apply_pax(const TarHeader& header);
  absl::Status begin_old_sparse(const TarHeader& header);
  absl::Status begin_pax_sparse();
  absl::Status entry_complete();
  absl::Status skip_holes();
  void end_of_data();

  absl::Status bad(std::string_view what) const;
  absl::Status at_entry(const absl::Status& status) const;
  std::string where() const;

  TarSink& sink_;
  absl::Status failed_;
  State state_ = State::kHeader;
  std::uint64_t offset_ = 0;  // bytes taken so far

  std::uint8_t block_[kTarBlock];
  std::size_t block_size_ = 0;
  std::uint64_t header_offset_ = 0;

  char meta_type_ = 0;
  std::string meta_name_;  // in its header
  std::string meta_;
  Pending pending_;

  TarEntry entry_;
  bool have_entry_ = false;     // entry_ names what the current bytes belong to
  std::uint64_t left_ = 0;      // bytes of the entry's or meta header's data that are still to come
  std::uint64_t padding_ = 0;   // bytes after them up to the next block
  bool keep_ = false;           // the sink wants the data
  bool sparse_ = false;
  SparseMap map_;
  SparseMapParser map_parser_;
  std::uint64_t map_bytes_ = 0;
  std::size_t segment_ = 0;           // of map_: the one whose data come next
  std::uint64_t segment_done_ = 0;    // bytes of it that came
  std::uint64_t file_position_ = 0;   // up to where data and holes of the file were handed out
};

}  // namespace samara::convert
