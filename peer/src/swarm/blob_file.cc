#include "blob_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/status.h"
#include "base/text.h"

namespace samara::peer {

std::span<std::uint8_t> piece_scratch(std::size_t size) {
  thread_local std::vector<std::uint8_t> room;
  if (room.size() < size) room.resize(size);
  return std::span(room).first(size);
}

BlobFile::BlobFile(Digest blob, BlobPieces pieces, Fd file, Access access)
    : blob_(blob),
      pieces_(std::move(pieces)),
      file_(std::move(file)),
      access_(access),
      states_(pieces_.count()) {}

absl::Status BlobFile::check_bounds(std::uint32_t piece, std::uint64_t offset, std::size_t size) const {
  if (piece < pieces_.count() && offset < pieces_.length(piece) && offset + size <= pieces_.piece_size()) return absl::OkStatus();
  return absl::OutOfRangeError(str_cat("no bytes ", offset, "+", size, " in piece ", piece, " of ", blob_.to_string()));
}

bool BlobFile::has_hole(std::uint64_t begin, std::uint64_t size) const {
  const off_t hole = ::lseek(file_.get(), static_cast<off_t>(begin), SEEK_HOLE);  // the end of the file is one
  return hole < 0 || static_cast<std::uint64_t>(hole) < begin + size;
}

absl::Status BlobFile::read_unverified(std::uint32_t piece, std::uint32_t offset, std::span<std::uint8_t> out) const {
  SAMARA_RETURN_IF_ERROR(check_bounds(piece, offset, out.size()));
  const std::size_t real = real_bytes(piece, offset, out.size());
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(real), out.end(), 0);
  return pread_all(file_.get(), out.first(real), pieces_.offset(piece) + offset);
}

std::size_t BlobFile::real_bytes(std::uint32_t piece, std::uint32_t offset, std::size_t size) const {
  return std::min<std::size_t>(size, pieces_.length(piece) - offset);
}

absl::Status BlobFile::read(std::uint32_t piece, std::uint32_t offset, std::span<std::uint8_t> out) {
  SAMARA_RETURN_IF_ERROR(check_bounds(piece, offset, out.size()));
  if (states_[piece] == kCameWrong) return read_unverified(piece, offset, out);
  if (states_[piece] == kUnknown && !verify(piece)) {
    return absl::DataLossError(str_cat("piece ", piece, " of ", blob_.to_string(), " was altered or evicted"));
  }
  if (has_hole(pieces_.offset(piece) + offset, real_bytes(piece, offset, out.size()))) {
    return absl::DataLossError(str_cat("piece ", piece, " of ", blob_.to_string(), " was evicted"));
  }
  return read_unverified(piece, offset, out);
}

absl::Status BlobFile::write(std::uint32_t piece, std::uint32_t offset, std::span<const std::uint8_t> bytes) {
  if (access_ == Access::kReadOnly) {
    return absl::FailedPreconditionError(str_cat("all of ", blob_.to_string(), " is here"));
  }
  SAMARA_RETURN_IF_ERROR(check_bounds(piece, offset, bytes.size()));
  states_[piece] = kUnknown;
  return pwrite_all(file_.get(), bytes.first(real_bytes(piece, offset, bytes.size())), pieces_.offset(piece) + offset);
}

bool BlobFile::verify(std::uint32_t piece) {
  if (piece >= pieces_.count() || !is_present(piece)) return false;
  const std::span<std::uint8_t> bytes = piece_scratch(pieces_.length(piece));
  if (!pread_all(file_.get(), bytes, pieces_.offset(piece)).ok()) return false;
  const bool right = piece_hash(bytes, pieces_.piece_size()) == pieces_.hash(piece);
  states_[piece] = right ? kRight : kUnknown;
  return right;
}

void BlobFile::hashed(std::uint32_t piece, std::vector<std::string> blocks) {
  if (piece >= pieces_.count() || access_ == Access::kReadOnly) return;
  states_[piece] = piece_root(std::move(blocks), pieces_.piece_size()) == pieces_.hash(piece) ? kRight : kCameWrong;
}

bool BlobFile::is_gone() const {
  struct stat st;
  return ::fstat(file_.get(), &st) != 0 || st.st_nlink == 0;
}

}  // namespace samara::peer
