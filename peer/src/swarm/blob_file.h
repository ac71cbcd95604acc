#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"
#include "base/file.h"
#include "peer/torrent.h"

namespace samara::peer {

/// Room for a piece, the thread's own and overwritten by its next use: a piece fresh from the heap costs more than hashing it.
std::span<std::uint8_t> piece_scratch(std::size_t size);

/// A blob's file in the cache, as the swarm reads and writes it.
///
/// A piece that was here before this process is hashed before its first byte is given to a peer, and bytes that were
/// evicted meanwhile (holes) are never given at all.
/// Threads: any. What two of them write into the same piece must be the same bytes.
class BlobFile {
 public:
  enum class Access { kReadOnly, kReadWrite };
  BlobFile(Digest blob, BlobPieces pieces, Fd file, Access access);

  const Digest& blob() const { return blob_; }
  const BlobPieces& pieces() const { return pieces_; }

  // libtorrent fills up the last piece with zeros and moves whole 16 KiB blocks of it: what is read behind the end of
  // the blob is zeros, what is written there is dropped.
  /// Errors: DataLoss (not the bytes that were there once), OutOfRange (outside the piece, or the file is shorter).
  absl::Status read(std::uint32_t piece, std::uint32_t offset, std::span<std::uint8_t> out);
  /// As read(), whatever was or wasn't verified: for hashing.
  absl::Status read_unverified(std::uint32_t piece, std::uint32_t offset, std::span<std::uint8_t> out) const;
  /// Errors: ResourceExhausted (disk full), FailedPrecondition (a whole object is never written into).
  absl::Status write(std::uint32_t piece, std::uint32_t offset, std::span<const std::uint8_t> bytes);
  /// Whether the piece's bytes are here and right.
  bool verify(std::uint32_t piece);
  /// The same for a piece that has just come, of which somebody has hashed the 16 KiB blocks. One that came wrong can be
  /// read: libtorrent looks for who gave which of its blocks, and gives nobody a piece that it hasn't got.
  void hashed(std::uint32_t piece, std::vector<std::string> blocks);
  /// Whether the piece has no hole; says nothing of its bytes.
  bool is_present(std::uint32_t piece) const { return !has_hole(pieces_.offset(piece), pieces_.length(piece)); }
  /// Whether the file was removed or replaced since it was opened.
  bool is_gone() const;

 private:
  absl::Status check_bounds(std::uint32_t piece, std::uint64_t offset, std::size_t size) const;
  /// How many of `size` bytes lie before the end of the piece.
  std::size_t real_bytes(std::uint32_t piece, std::uint32_t offset, std::size_t size) const;
  bool has_hole(std::uint64_t begin, std::uint64_t size) const;

  const Digest blob_;
  const BlobPieces pieces_;
  const Fd file_;
  const Access access_;
  enum State : std::uint8_t { kUnknown, kRight, kCameWrong };
  std::vector<std::atomic<State>> states_;  // one a piece; of a piece that the cache fills in meanwhile, two threads say
};

/// The files of the torrents in the session, by the key that libtorrent names a storage with.
/// Threads: any.
class BlobFiles {
 public:
  void add(const std::string& tracker_key, std::shared_ptr<BlobFile> file) {
    const std::lock_guard lock(mutex_);
    files_[tracker_key] = std::move(file);
  }
  void remove(const std::string& tracker_key) {
    const std::lock_guard lock(mutex_);
    files_.erase(tracker_key);
  }
  std::shared_ptr<BlobFile> find(const std::string& tracker_key) const {
    const std::lock_guard lock(mutex_);
    const auto it = files_.find(tracker_key);
    return it == files_.end() ? nullptr : it->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<BlobFile>> files_;
};

}  // namespace samara::peer
