#include "tar_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::convert {
namespace {

constexpr std::size_t kMaxQuoted = 256;

std::uint64_t padding_after(std::uint64_t size) { return (kTarBlock - size % kTarBlock) % kTarBlock; }

bool is_meta(char type) { return type == 'x' || type == 'g' || type == 'L' || type == 'K'; }

std::optional<EntryType> entry_type(const TarHeader& header, std::string_view name) {
  switch (header.type) {
    case '\0':  // before POSIX, a trailing slash made a directory
      return !name.empty() && name.back() == '/' ? EntryType::kDirectory : EntryType::kFile;
    case '0':
    case '7':  // contiguous file
    case 'S':  // old GNU sparse
      return EntryType::kFile;
    case '1':
      return EntryType::kHardLink;
    case '2':
      return EntryType::kSymlink;
    case '3':
      return EntryType::kCharDevice;
    case '4':
      return EntryType::kBlockDevice;
    case '5':
      return EntryType::kDirectory;
    case '6':
      return EntryType::kFifo;
    default:
      return std::nullopt;
  }
}

std::string find(const PaxRecords& records, const std::string& key) {
  const auto at = records.find(key);
  return at == records.end() ? std::string() : at->second;
}

/// Overwrites `to` with the record's number, where there is one. False: not a number.
bool take_number(const PaxRecords& records, const std::string& key, std::int64_t& to) {
  const std::string text = find(records, key);
  if (text.empty()) return true;
  const auto value = parse_decimal(text);
  if (value) to = *value;
  return value.has_value();
}

}  // namespace

std::string quoted(std::string_view name) {
  const std::string_view shown = name.substr(0, kMaxQuoted);
  return str_cat("\"", absl::Utf8SafeCHexEscape(to_absl(shown)), shown.size() < name.size() ? "…\"" : "\"");
}

absl::Status TarReader::push(std::span<const std::uint8_t> bytes) {
  while (failed_.ok() && !bytes.empty()) {
    const absl::StatusOr<std::size_t> taken = step(bytes);
    if (!taken.ok()) {
      failed_ = taken.status();
    } else {
      bytes = bytes.subspan(*taken);
    }
  }
  return failed_;
}

absl::Status TarReader::finish() {
  if (!failed_.ok()) return failed_;
  const bool between = block_size_ == 0 && (state_ == State::kHeader || state_ == State::kSecondZero);
  if (between || state_ == State::kPadding || state_ == State::kRest) return absl::OkStatus();
  return failed_ = bad("cut short");
}

absl::StatusOr<std::size_t> TarReader::step(std::span<const std::uint8_t> bytes) {
  switch (state_) {
    case State::kHeader:
    case State::kSecondZero:
    case State::kSparseExtension:
    case State::kSparseMap:
      return collect_block(bytes);
    case State::kMeta:
      return collect_meta(bytes);
    case State::kData:
      return pass_data(bytes);
    case State::kPadding: {
      SAMARA_ASSIGN_OR_RETURN(const std::size_t taken, pass_framing(bytes, padding_));
      padding_ -= taken;
      if (padding_ == 0) state_ = State::kHeader;
      return taken;
    }
    case State::kRest:
      break;
  }
  return pass_framing(bytes, bytes.size());
}

absl::StatusOr<std::size_t> TarReader::pass_framing(std::span<const std::uint8_t> bytes, std::uint64_t limit) {
  const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), limit));
  SAMARA_RETURN_IF_ERROR(sink_.framing(bytes.first(size)));
  offset_ += size;
  return size;
}

absl::StatusOr<std::size_t> TarReader::collect_block(std::span<const std::uint8_t> bytes) {
  if (block_size_ == 0 && state_ == State::kHeader) {
    header_offset_ = offset_;
    have_entry_ = false;
  }
  SAMARA_ASSIGN_OR_RETURN(const std::size_t taken, pass_framing(bytes, kTarBlock - block_size_));
  std::memcpy(block_ + block_size_, bytes.data(), taken);
  block_size_ += taken;
  if (block_size_ == kTarBlock) {
    block_size_ = 0;
    SAMARA_RETURN_IF_ERROR(block_complete());
  }
  return taken;
}

absl::Status TarReader::block_complete() {
  switch (state_) {
    case State::kHeader:
      return header_complete();
    case State::kSecondZero:
      if (!is_zero_block(TarBlock(block_))) return bad("one zero block between entries");
      state_ = State::kRest;
      return absl::OkStatus();
    case State::kSparseExtension: {
      map_bytes_ += kTarBlock;
      if (map_bytes_ > kMaxPaxBytes) return bad("sparse map too long");
      const absl::StatusOr<bool> more = parse_old_sparse_extension(TarBlock(block_), map_);
      if (!more.ok()) return at_entry(more.status());
      return *more ? absl::OkStatus() : entry_complete();
    }
    default:
      break;
  }
  left_ -= kTarBlock;  // State::kSparseMap
  map_bytes_ += kTarBlock;
  if (map_bytes_ > kMaxPaxBytes) return bad("sparse map too long");
  const absl::StatusOr<bool> done = map_parser_.add_block(as_text(block_));
  if (!done.ok()) return at_entry(done.status());
  if (!*done) return left_ < kTarBlock ? bad("sparse map longer than the file's data") : absl::OkStatus();
  map_ = map_parser_.take();
  return entry_complete();
}

absl::Status TarReader::header_complete() {
  if (is_zero_block(TarBlock(block_))) {
    state_ = State::kSecondZero;
    return absl::OkStatus();
  }
  const absl::StatusOr<TarHeader> header = parse_tar_header(TarBlock(block_));
  if (!header.ok()) return at_entry(header.status());
  return is_meta(header->type) ? begin_meta(*header) : begin_entry(*header);
}

absl::Status TarReader::begin_meta(const TarHeader& header) {
  const bool is_name = header.type == 'L' || header.type == 'K';
  const std::uint64_t limit = is_name ? kMaxPathBytes + 1 : kMaxPaxBytes;
  if (header.size < 0 || static_cast<std::uint64_t>(header.size) > limit) {
    return bad(str_cat("extended header of ", header.size, " bytes"));
  }
  meta_type_ = header.type;
  meta_name_ = header.name;
  meta_.clear();
  left_ = static_cast<std::uint64_t>(header.size);
  padding_ = padding_after(left_);
  state_ = State::kMeta;
  return left_ == 0 ? meta_complete() : absl::OkStatus();
}

absl::StatusOr<std::size_t> TarReader::collect_meta(std::span<const std::uint8_t> bytes) {
  SAMARA_ASSIGN_OR_RETURN(const std::size_t taken, pass_framing(bytes, left_));
  meta_ += as_text(bytes.first(taken));
  left_ -= taken;
  if (left_ == 0) SAMARA_RETURN_IF_ERROR(meta_complete());
  return taken;
}

absl::Status TarReader::meta_complete() {
  end_of_data();
  const std::string_view name = std::string_view(meta_).substr(0, meta_.find('\0'));
  if (meta_type_ == 'L') {
    pending_.long_name = name;
  } else if (meta_type_ == 'K') {
    pending_.long_link = name;
  } else {
    absl::StatusOr<PaxRecords> records = parse_pax(meta_);
    if (!records.ok()) return at_entry(records.status());
    if (meta_type_ == 'g') return global_header(*records);
    pending_.pax = *std::move(records);
  }
  return absl::OkStatus();
}

// For Go's reader it is an entry: it ends what came before, and containerd makes room for it under its name.
absl::Status TarReader::global_header(const PaxRecords& records) {
  pending_ = {};
  const std::string path = find(records, "path");
  entry_ = TarEntry{.type = EntryType::kGlobalHeader, .name = path.empty() ? meta_name_ : path};
  entry_.tar_offset = header_offset_;
  if (entry_.name.size() > kMaxPathBytes) return bad("name too long");
  return sink_.entry(entry_).status();
}

absl::Status TarReader::begin_entry(const TarHeader& header) {
  entry_ = TarEntry{};
  entry_.tar_offset = header_offset_;
  entry_.name = header.name;
  entry_.link_target = header.link_target;
  have_entry_ = true;
  sparse_ = false;
  map_.clear();
  map_parser_ = {};
  map_bytes_ = 0;
  SAMARA_RETURN_IF_ERROR(apply_pax(header));

  const std::optional<EntryType> type = entry_type(header, entry_.name);
  if (!type) {
    return absl::UnimplementedError(str_cat(where(), ": type '", absl::CHexEscape(absl::string_view(&header.type, 1)),
                                            "' isn't known"));
  }
  entry_.type = *type;
  if (entry_.type != EntryType::kFile) entry_.size = 0;
  left_ = entry_.size;
  padding_ = padding_after(left_);
  if (header.type == 'S') return begin_old_sparse(header);
  return begin_pax_sparse();
}

absl::Status TarReader::apply_pax(const TarHeader& header) {
  const PaxRecords& pax = pending_.pax;
  std::int64_t size = header.size;
  entry_.uid = header.uid;
  entry_.gid = header.gid;
  entry_.mtime_sec = header.mtime;
  entry_.mode = static_cast<std::uint32_t>(header.mode & 07777);
  entry_.device_major = header.device_major;
  entry_.device_minor = header.device_minor;
  if (const std::string path = find(pax, "path"); !path.empty()) entry_.name = path;
  if (const std::string link = find(pax, "linkpath"); !link.empty()) entry_.link_target = link;
  if (pending_.long_name && !pending_.long_name->empty()) entry_.name = *pending_.long_name;
  if (pending_.long_link && !pending_.long_link->empty()) entry_.link_target = *pending_.long_link;
  if (entry_.name.size() > kMaxPathBytes || entry_.link_target.size() > kMaxPathBytes) return bad("name too long");
  if (!take_number(pax, "uid", entry_.uid)) return bad("pax uid isn't a number");
  if (!take_number(pax, "gid", entry_.gid)) return bad("pax gid isn't a number");
  if (!take_number(pax, "size", size) || size < 0) return bad("size isn't a size");
  if (const std::string text = find(pax, "mtime"); !text.empty()) {
    const std::optional<PaxTime> time = parse_pax_time(text);
    if (!time) return bad("pax mtime isn't a time");
    entry_.mtime_sec = time->seconds;
    entry_.mtime_nsec = time->nanoseconds;
  }
  entry_.size = static_cast<std::uint64_t>(size);
  absl::StatusOr<std::map<std::string, std::string>> xattrs = pax_xattrs(pax);
  if (!xattrs.ok()) return at_entry(xattrs.status());
  entry_.xattrs = *std::move(xattrs);
  return absl::OkStatus();
}

absl::Status TarReader::begin_old_sparse(const TarHeader& header) {
  if (header.dialect != TarDialect::kGnu) return bad("sparse file in a dialect that has none");
  const absl::StatusOr<OldSparseHeader> sparse = parse_old_sparse_header(TarBlock(block_), map_);
  if (!sparse.ok()) return at_entry(sparse.status());
  sparse_ = true;
  entry_.size = sparse->real_size;
  if (!sparse->extended) return entry_complete();
  state_ = State::kSparseExtension;
  return absl::OkStatus();
}

absl::Status TarReader::begin_pax_sparse() {
  const PaxRecords& pax = pending_.pax;
  const std::string major = find(pax, "GNU.sparse.major"), minor = find(pax, "GNU.sparse.minor");
  const std::string list = find(pax, "GNU.sparse.map");
  const bool in_data = major == "1" && minor == "0";
  const bool in_header = major == "0" ? minor == "0" || minor == "1" : major.empty() && minor.empty() && !list.empty();
  if (!in_data && !in_header) return entry_complete();
  if (entry_.type != EntryType::kFile) return bad("sparse, but not a file");

  sparse_ = true;
  if (const std::string name = find(pax, "GNU.sparse.name"); !name.empty()) entry_.name = name;
  if (entry_.name.size() > kMaxPathBytes) return bad("name too long");
  std::int64_t size = static_cast<std::int64_t>(entry_.size);
  const bool given = !find(pax, "GNU.sparse.size").empty();
  if (!take_number(pax, given ? "GNU.sparse.size" : "GNU.sparse.realsize", size) || size < 0) {
    return bad("sparse size isn't a size");
  }
  entry_.size = static_cast<std::uint64_t>(size);
  if (in_data) {
    if (left_ < kTarBlock) return bad("no sparse map");
    state_ = State::kSparseMap;
    return absl::OkStatus();
  }
  absl::StatusOr<SparseMap> map = parse_sparse_list(list);
  if (!map.ok()) return at_entry(map.status());
  map_ = *std::move(map);
  return entry_complete();
}

absl::Status TarReader::entry_complete() {
  pending_ = {};
  if (sparse_) {
    SAMARA_RETURN_IF_ERROR(at_entry(check_sparse_map(map_, entry_.size, left_)));
  } else if (left_ > 0) {
    map_.assign(1, {0, left_});
  }
  absl::StatusOr<TarSink::Data> wanted = sink_.entry(entry_);
  if (!wanted.ok()) return wanted.status();
  keep_ = *wanted == TarSink::Data::kKeep;
  segment_ = 0;
  segment_done_ = file_position_ = 0;
  state_ = State::kData;
  SAMARA_RETURN_IF_ERROR(skip_holes());
  if (left_ == 0) end_of_data();
  return absl::OkStatus();
}

absl::Status TarReader::skip_holes() {
  while (segment_ < map_.size() && segment_done_ == map_[segment_].size) {
    ++segment_;
    segment_done_ = 0;
  }
  if (segment_done_ > 0) return absl::OkStatus();
  const std::uint64_t next = segment_ < map_.size() ? map_[segment_].offset : entry_.size;
  const std::uint64_t hole = next - std::min(next, file_position_);
  file_position_ += hole;
  return keep_ && hole > 0 ? sink_.hole(hole) : absl::OkStatus();
}

absl::StatusOr<std::size_t> TarReader::pass_data(std::span<const std::uint8_t> bytes) {
  const std::uint64_t limit = map_[segment_].size - segment_done_;
  const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), limit));
  SAMARA_RETURN_IF_ERROR(keep_ ? sink_.data(bytes.first(size)) : sink_.framing(bytes.first(size)));
  offset_ += size;
  left_ -= size;
  segment_done_ += size;
  file_position_ += size;
  SAMARA_RETURN_IF_ERROR(skip_holes());
  if (left_ == 0) end_of_data();
  return size;
}

void TarReader::end_of_data() { state_ = padding_ > 0 ? State::kPadding : State::kHeader; }

absl::Status TarReader::bad(std::string_view what) const { return at_entry(absl::DataLossError(to_absl(what))); }

absl::Status TarReader::at_entry(const absl::Status& status) const {
  return status.ok() ? status : annotate(status, where());
}

std::string TarReader::where() const {
  if (have_entry_) return str_cat("tar entry ", quoted(entry_.name), " at byte ", header_offset_);
  return str_cat("tar at byte ", header_offset_);
}

}  // namespace samara::convert
