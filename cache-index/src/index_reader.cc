#include "cache_index/index_reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "index_format.h"
#include "little_endian.h"

namespace samara::cache_index {

using namespace index_format;

namespace {

using Bytes = std::span<const std::uint8_t>;

absl::Status damaged(std::string_view what) { return absl::DataLossError(str_cat("index: ", what)); }
absl::Status wrong_type(std::uint32_t number, std::string_view what) {
  return absl::FailedPreconditionError(str_cat("inode ", number, " is not a ", what));
}

/// `size` bytes at `offset`, if `bytes` has them.
bool slice(Bytes bytes, std::uint64_t offset, std::uint64_t size, Bytes& out) {
  if (offset > bytes.size() || size > bytes.size() - offset) return false;
  out = bytes.subspan(offset, size);
  return true;
}

Digest sha256_at(const std::uint8_t* at) { return Digest::from_bytes(Digest::Algorithm::kSha256, {at, 32}).value(); }

absl::Status check_header(Bytes bytes) {
  if (bytes.size() < kMagic.size() || as_text(bytes.first(kMagic.size())) != kMagic) {
    return damaged("not an index file");
  }
  if (bytes.size() < kHeaderBytes) return damaged("cut short");
  const std::uint32_t version = load_le<std::uint32_t>(&bytes[header::kFormatVersion]);
  if (version > kVersion) {
    return absl::UnimplementedError(str_cat("index: format version ", version, " is newer than ", kVersion));
  }
  if (version != kVersion) return damaged("impossible format version");
  if (load_le<std::uint32_t>(&bytes[header::kSize]) != kHeaderBytes) return damaged("wrong header size");
  if (sha256(bytes.first(kChecksumOffset)) != sha256_at(&bytes[kChecksumOffset])) {
    return damaged("header checksum differs");
  }
  return absl::OkStatus();
}

LayerInfo read_info(Bytes bytes) {
  LayerInfo info;
  info.format_version = load_le<std::uint32_t>(&bytes[header::kFormatVersion]);
  info.diff_id = sha256_at(&bytes[header::kDiffId]);
  info.blob = sha256_at(&bytes[header::kBlob]);
  info.blob_size = load_le<std::uint64_t>(&bytes[header::kBlobSize]);
  info.stream_size = load_le<std::uint64_t>(&bytes[header::kStreamSize]);
  info.tar_size = load_le<std::uint64_t>(&bytes[header::kTarSize]);
  info.inode_count = load_le<std::uint32_t>(&bytes[header::kInodeCount]);
  info.chunk_count = load_le<std::uint32_t>(&bytes[header::kChunkCount]);
  return info;
}

using Sections = std::array<Bytes, kSectionCount>;

/// Sections follow each other without gaps but for alignment, up to the end of the file.
absl::StatusOr<Sections> read_sections(Bytes bytes, const LayerInfo& info) {
  Sections sections;
  std::uint64_t end = kHeaderBytes;
  for (std::size_t i = 0; i < kSectionCount; ++i) {
    const std::uint8_t* entry = &bytes[header::kSections + i * kSectionEntryBytes];
    const std::uint64_t offset = load_le<std::uint64_t>(entry), size = load_le<std::uint64_t>(entry + 8);
    if (offset < end || offset - end >= kSectionAlignment || offset % kSectionAlignment != 0) {
      return damaged("misplaced section");
    }
    if (!slice(bytes, offset, size, sections[i])) return damaged("cut short");
    end = offset + size;
  }
  if (end != bytes.size()) return damaged("bytes after the last section");
  if (sections[kInodes].size() != std::uint64_t{info.inode_count} * kInodeBytes) {
    return damaged("inode table of a wrong size");
  }
  if (sections[kChunks].size() != std::uint64_t{info.chunk_count} * kChunkBytes) {
    return damaged("chunk table of a wrong size");
  }
  if (sections[kDirents].size() % kDirentBytes != 0) return damaged("dirent table of a wrong size");
  if (info.inode_count == 0) return damaged("no root");
  if ((info.chunk_count == 0) != (info.stream_size == 0)) return damaged("chunks don't cover the stream");
  return sections;
}

}  // namespace

struct IndexReader::Layout {
  ~Layout() {
    if (mapping != nullptr) munmap(mapping, bytes.size());
  }

  absl::StatusOr<const std::uint8_t*> inode(std::uint32_t number) const {
    if (number == 0 || number > sections[kInodes].size() / kInodeBytes) {
      return absl::NotFoundError(str_cat("no inode ", number));
    }
    return &sections[kInodes][(number - 1) * kInodeBytes];
  }

  absl::StatusOr<std::string_view> name(std::uint64_t offset, std::uint64_t size) const {
    Bytes bytes;
    if (!slice(sections[kNames], offset, size, bytes)) return damaged("name outside its section");
    return as_text(bytes);
  }

  /// The dirent records of a directory.
  absl::StatusOr<Bytes> dirents(std::uint32_t directory) const {
    SAMARA_ASSIGN_OR_RETURN(const std::uint8_t* record, inode(directory));
    if (!S_ISDIR(load_le<std::uint16_t>(record + inode::kMode))) return wrong_type(directory, "directory");
    const std::uint64_t first = load_le<std::uint32_t>(record + inode::kPayload);
    const std::uint64_t count = load_le<std::uint32_t>(record + inode::kPayload + 4);
    Bytes records;
    if (!slice(sections[kDirents], first * kDirentBytes, count * kDirentBytes, records)) {
      return damaged("entries outside their section");
    }
    return records;
  }

  absl::StatusOr<std::string_view> entry_name(const std::uint8_t* record) const {
    SAMARA_ASSIGN_OR_RETURN(const std::string_view found, name(load_le<std::uint32_t>(record + dirent::kNameOffset),
                                                               load_le<std::uint16_t>(record + dirent::kNameSize)));
    if (!is_entry_name(found)) return damaged("impossible name");
    return found;
  }

  absl::StatusOr<std::uint32_t> known_inode(std::uint32_t number) const {
    if (number == 0 || number > sections[kInodes].size() / kInodeBytes) return damaged("entry without an inode");
    return number;
  }

  const std::uint8_t* chunk(std::uint32_t position) const { return &sections[kChunks][position * kChunkBytes]; }
  std::uint64_t chunk_offset(std::uint32_t position) const {
    return load_le<std::uint64_t>(chunk(position) + chunk::kStreamOffset);
  }

  Bytes bytes;
  Sections sections;
  void* mapping = nullptr;
};

IndexReader::IndexReader() : layout_(std::make_unique<Layout>()) {}
IndexReader::~IndexReader() = default;

absl::StatusOr<std::unique_ptr<IndexReader>> IndexReader::open(const std::string& path) {
  SAMARA_ASSIGN_OR_RETURN(const Fd fd, open_file(path, O_RDONLY));
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t size, file_size(fd.get()));
  if (size == 0) return annotate(damaged("empty file"), path);
  void* mapping = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (mapping == MAP_FAILED) return errno_status(errno, str_cat("mmap ", path));
  std::unique_ptr<IndexReader> reader(new IndexReader());
  reader->layout_->mapping = mapping;
  reader->layout_->bytes = {static_cast<const std::uint8_t*>(mapping), size};
  if (const absl::Status status = reader->load(); !status.ok()) return annotate(status, path);
  return reader;
}

absl::StatusOr<std::unique_ptr<IndexReader>> IndexReader::view(std::span<const std::uint8_t> bytes) {
  std::unique_ptr<IndexReader> reader(new IndexReader());
  reader->layout_->bytes = bytes;
  SAMARA_RETURN_IF_ERROR(reader->load());
  return reader;
}

absl::Status IndexReader::load() {
  SAMARA_RETURN_IF_ERROR(check_header(layout_->bytes));
  info_ = read_info(layout_->bytes);
  SAMARA_ASSIGN_OR_RETURN(layout_->sections, read_sections(layout_->bytes, info_));
  return absl::OkStatus();
}

bool IndexReader::is_made_as_here() const {
  std::size_t at = header::kMaking;
  for (const std::uint32_t expected : making_parameters()) {
    if (load_le<std::uint32_t>(&layout_->bytes[at]) != expected) return false;
    at += sizeof expected;
  }
  return true;
}

absl::Status IndexReader::check_content() const {
  for (std::size_t i = 0; i < kSectionCount; ++i) {
    const Digest written = sha256_at(&layout_->bytes[header::kSections + i * kSectionEntryBytes + 16]);
    if (sha256(layout_->sections[i]) != written) return damaged(str_cat("checksum of section ", i, " differs"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Inode> IndexReader::inode(std::uint32_t number) const {
  SAMARA_ASSIGN_OR_RETURN(const std::uint8_t* record, layout_->inode(number));
  Inode found;
  found.mode = load_le<std::uint16_t>(record + inode::kMode);
  found.implied = (load_le<std::uint16_t>(record + inode::kFlags) & inode::kImplied) != 0;
  found.uid = load_le<std::uint32_t>(record + inode::kUid);
  found.gid = load_le<std::uint32_t>(record + inode::kGid);
  found.nlink = load_le<std::uint32_t>(record + inode::kNlink);
  found.mtime_sec = static_cast<std::int64_t>(load_le<std::uint64_t>(record + inode::kMtimeSec));
  found.mtime_nsec = load_le<std::uint32_t>(record + inode::kMtimeNsec);
  if (!is_mode(found.mode)) return damaged("impossible mode");
  if (found.mtime_nsec > 999'999'999) return damaged("impossible nanoseconds");
  if (S_ISREG(found.mode) || S_ISLNK(found.mode)) found.size = load_le<std::uint64_t>(record + inode::kSize);
  if (S_ISLNK(found.mode) && found.size > kMaxSymlinkBytes) return damaged("impossible link target");
  if (S_ISREG(found.mode)) {
    found.data_offset = load_le<std::uint64_t>(record + inode::kPayload);
    if (found.data_offset > info_.stream_size || found.size > info_.stream_size - found.data_offset) {
      return damaged("data outside the stream");
    }
  }
  if (S_ISCHR(found.mode) || S_ISBLK(found.mode)) {
    found.rdev_major = load_le<std::uint32_t>(record + inode::kPayload);
    found.rdev_minor = load_le<std::uint32_t>(record + inode::kPayload + 4);
  }
  return found;
}

absl::StatusOr<std::uint32_t> IndexReader::lookup(std::uint32_t directory, std::string_view name) const {
  SAMARA_ASSIGN_OR_RETURN(const Bytes records, layout_->dirents(directory));
  std::size_t low = 0, high = records.size() / kDirentBytes;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const std::uint8_t* record = &records[middle * kDirentBytes];
    SAMARA_ASSIGN_OR_RETURN(const std::string_view found, layout_->entry_name(record));
    const int order = found.compare(name);
    if (order == 0) return layout_->known_inode(load_le<std::uint32_t>(record + dirent::kInode));
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return absl::NotFoundError("no such name");  // the usual answer to a probe, so nothing costly is put together
}

absl::StatusOr<std::uint32_t> IndexReader::entry_count(std::uint32_t directory) const {
  SAMARA_ASSIGN_OR_RETURN(const Bytes records, layout_->dirents(directory));
  return static_cast<std::uint32_t>(records.size() / kDirentBytes);
}

absl::StatusOr<Dirent> IndexReader::entry(std::uint32_t directory, std::uint32_t position) const {
  SAMARA_ASSIGN_OR_RETURN(const Bytes records, layout_->dirents(directory));
  if (position >= records.size() / kDirentBytes) return absl::NotFoundError("no such entry");
  const std::uint8_t* record = &records[position * kDirentBytes];
  Dirent found;
  SAMARA_ASSIGN_OR_RETURN(found.name, layout_->entry_name(record));
  SAMARA_ASSIGN_OR_RETURN(found.inode, layout_->known_inode(load_le<std::uint32_t>(record + dirent::kInode)));
  found.type = load_le<std::uint16_t>(record + dirent::kType);
  if (!is_mode(found.type)) return damaged("impossible type");
  return found;
}

absl::StatusOr<std::uint32_t> IndexReader::parent(std::uint32_t directory) const {
  SAMARA_ASSIGN_OR_RETURN(const std::uint8_t* record, layout_->inode(directory));
  if (!S_ISDIR(load_le<std::uint16_t>(record + inode::kMode))) return wrong_type(directory, "directory");
  const std::uint64_t number = load_le<std::uint64_t>(record + inode::kSize);
  if (number > info_.inode_count) return damaged("parent without an inode");
  return layout_->known_inode(static_cast<std::uint32_t>(number));
}

absl::StatusOr<std::string_view> IndexReader::symlink_target(std::uint32_t number) const {
  SAMARA_ASSIGN_OR_RETURN(const std::uint8_t* record, layout_->inode(number));
  if (!S_ISLNK(load_le<std::uint16_t>(record + inode::kMode))) return wrong_type(number, "symbolic link");
  SAMARA_ASSIGN_OR_RETURN(const std::string_view target, layout_->name(load_le<std::uint64_t>(record + inode::kPayload),
                                                                       load_le<std::uint64_t>(record + inode::kSize)));
  if (target.empty() || target.size() > kMaxSymlinkBytes || target.find('\0') != std::string_view::npos) {
    return damaged("impossible link target");
  }
  return target;
}

absl::StatusOr<std::vector<std::pair<std::string_view, std::string_view>>> IndexReader::xattrs(
    std::uint32_t number) const {
  SAMARA_ASSIGN_OR_RETURN(const std::uint8_t* record, layout_->inode(number));
  std::vector<std::pair<std::string_view, std::string_view>> found;
  const std::uint32_t set = load_le<std::uint32_t>(record + inode::kXattrs);
  if (set == 0) return found;
  Bytes head, pairs;
  if (!slice(layout_->sections[kXattrs], set - 1, 4, head)) return damaged("xattrs outside their section");
  const std::uint32_t count = load_le<std::uint32_t>(head.data());
  if (count > kMaxXattrs || !slice(layout_->sections[kXattrs], set + 3ull, count * kXattrPairBytes, pairs)) {
    return damaged("xattrs outside their section");
  }
  found.reserve(count);
  for (; !pairs.empty(); pairs = pairs.subspan(kXattrPairBytes)) {
    SAMARA_ASSIGN_OR_RETURN(const std::string_view name, layout_->name(load_le<std::uint32_t>(&pairs[0]),
                                                                       load_le<std::uint32_t>(&pairs[4])));
    SAMARA_ASSIGN_OR_RETURN(const std::string_view value, layout_->name(load_le<std::uint32_t>(&pairs[8]),
                                                                        load_le<std::uint32_t>(&pairs[12])));
    if (name.empty() || name.size() > kMaxXattrNameBytes || name.find('\0') != std::string_view::npos ||
        value.size() > kMaxXattrValueBytes) {
      return damaged("impossible xattr");
    }
    found.emplace_back(name, value);
  }
  return found;
}

bool IndexReader::has_xattrs() const { return !layout_->sections[kXattrs].empty(); }

absl::StatusOr<Chunk> IndexReader::chunk(std::uint32_t position) const {
  if (position >= info_.chunk_count) return absl::NotFoundError(str_cat("no chunk ", position));
  const std::uint8_t* record = layout_->chunk(position);
  Chunk found;
  found.digest = sha256_at(record + chunk::kDigest);
  found.stream_offset = load_le<std::uint64_t>(record + chunk::kStreamOffset);
  found.blob_offset = load_le<std::uint64_t>(record + chunk::kBlobOffset);
  found.stream_size = load_le<std::uint32_t>(record + chunk::kStreamSize);
  found.blob_size = load_le<std::uint32_t>(record + chunk::kBlobSize);
  if (found.stream_size == 0 || found.stream_size > kMaxChunkBytes) return damaged("chunk of an impossible size");
  if (found.blob_size == 0 || found.blob_size > kMaxFrameBytes) return damaged("frame of an impossible size");
  if (found.blob_offset > info_.blob_size || found.blob_size > info_.blob_size - found.blob_offset) {
    return damaged("frame outside the blob");
  }
  // Contiguous: the next chunk, or the end of the stream, is where this one ends.
  const std::uint64_t next = position + 1 < info_.chunk_count ? layout_->chunk_offset(position + 1) : info_.stream_size;
  if (found.stream_offset > next || next - found.stream_offset != found.stream_size ||
      (position == 0 && found.stream_offset != 0)) {
    return damaged("chunks with a gap");
  }
  return found;
}

absl::StatusOr<std::uint32_t> IndexReader::chunk_at(std::uint64_t stream_offset) const {
  if (stream_offset >= info_.stream_size) return absl::OutOfRangeError("past the end of the data stream");
  // The last chunk that begins at or before the offset is in [low, high).
  std::uint32_t low = 0, high = info_.chunk_count;
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    (layout_->chunk_offset(middle) <= stream_offset ? low : high) = middle;
  }
  SAMARA_ASSIGN_OR_RETURN(const Chunk found, chunk(low));
  if (stream_offset < found.stream_offset || stream_offset >= found.stream_range().end) {
    return damaged("chunks out of order");
  }
  return low;
}

std::span<const std::uint8_t> IndexReader::framing() const { return layout_->sections[kFraming]; }

}  // namespace samara::cache_index
