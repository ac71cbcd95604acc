#include "peer/torrent.h"

#include <algorithm>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::peer {
namespace {

constexpr std::size_t kLeafBytes = 16u << 10;

std::string text_of(const Digest& digest) { return std::string(as_text(digest.bytes())); }

std::string hash_pair(std::string_view left, std::string_view right) {
  return text_of(cache_index::sha256(as_bytes(str_cat(left, right))));
}

/// The root of a Merkle tree over `hashes`, filled up to a power of two of at least `width` with `padding`.
/// Source: BEP 52, "pieces root" and "piece layers".
std::string merkle_root(std::vector<std::string> hashes, std::size_t width, std::string padding) {
  while (width > 1 || hashes.size() > 1) {
    if (hashes.size() % 2 != 0) hashes.push_back(padding);
    for (std::size_t i = 0; i < hashes.size() / 2; ++i) hashes[i] = hash_pair(hashes[2 * i], hashes[2 * i + 1]);
    hashes.resize(hashes.size() / 2);
    padding = hash_pair(padding, padding);
    width /= 2;
  }
  return hashes.front();
}

std::string zero_hash() { return std::string(BlobPieces::kHashBytes, '\0'); }

/// The root of the whole file, whose leaves below a missing piece are all zero.
std::string pieces_root(const BlobPieces& pieces) {
  std::vector<std::string> hashes;
  for (std::uint32_t i = 0; i < pieces.count(); ++i) hashes.emplace_back(pieces.hash(i));
  std::string padding = zero_hash();
  for (std::size_t leaves = pieces.piece_size() / kLeafBytes; leaves > 1; leaves /= 2) {
    padding = hash_pair(padding, padding);
  }
  return merkle_root(std::move(hashes), 1, std::move(padding));
}

std::string bencoded(std::string_view text) { return str_cat(text.size(), ":", text); }

}  // namespace

std::uint32_t piece_size_for(std::uint64_t blob_size) { return blob_size > (1u << 30) ? 1u << 20 : 256u << 10; }

std::uint32_t BlobPieces::length(std::uint32_t number) const {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(piece_size(), size - offset(number)));
}

std::string_view BlobPieces::hash(std::uint32_t number) const {
  return std::string_view(hashes).substr(number * kHashBytes, kHashBytes);
}

absl::Status check(const BlobPieces& pieces) {
  if (pieces.size < kMinSwarmBytes || pieces.size > kMaxSwarmBytes) {
    return absl::InvalidArgumentError(str_cat("a blob of ", pieces.size, " bytes is nothing for a swarm"));
  }
  const std::uint64_t count = (pieces.size + pieces.piece_size() - 1) / pieces.piece_size();
  if (pieces.hashes.size() == count * BlobPieces::kHashBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      str_cat(pieces.hashes.size(), " bytes of piece hashes for a blob of ", pieces.size, " bytes"));
}

PieceHasher::PieceHasher(std::uint64_t size) { pieces_.size = size; }

void PieceHasher::update(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const std::size_t part = std::min(bytes.size(), kLeafBytes - in_leaf_);
    leaf_.update(bytes.first(part));
    bytes = bytes.subspan(part);
    in_leaf_ += part;
    seen_ += part;
    if (in_leaf_ == kLeafBytes) end_leaf();
  }
}

void PieceHasher::end_leaf() {
  leaves_.push_back(text_of(leaf_.finish()));
  in_leaf_ = 0;
  if (leaves_.size() * kLeafBytes == pieces_.piece_size()) end_piece();
}

void PieceHasher::end_piece() {
  pieces_.hashes += merkle_root(std::move(leaves_), pieces_.piece_size() / kLeafBytes, zero_hash());
  leaves_.clear();
}

absl::StatusOr<BlobPieces> PieceHasher::finish() {
  if (in_leaf_ > 0) end_leaf();
  if (!leaves_.empty()) end_piece();
  if (seen_ != pieces_.size) return absl::OutOfRangeError(str_cat(seen_, " of ", pieces_.size, " bytes were hashed"));
  SAMARA_RETURN_IF_ERROR(check(pieces_));
  return std::move(pieces_);
}

absl::StatusOr<BlobPieces> hash_pieces(int fd, std::uint64_t size) {
  PieceHasher hasher(size);
  std::vector<std::uint8_t> buffer(1u << 20);
  for (std::uint64_t at = 0; at < size;) {
    const std::span<std::uint8_t> part(buffer.data(), std::min<std::uint64_t>(buffer.size(), size - at));
    SAMARA_RETURN_IF_ERROR(pread_all(fd, part, at));
    hasher.update(part);
    at += part.size();
  }
  return hasher.finish();
}

std::string piece_hash(std::span<const std::uint8_t> bytes, std::uint32_t piece_size) {
  std::vector<std::string> leaves;
  for (std::size_t at = 0; at < bytes.size(); at += kLeafBytes) {
    leaves.push_back(text_of(cache_index::sha256(bytes.subspan(at, std::min(kLeafBytes, bytes.size() - at)))));
  }
  return piece_root(std::move(leaves), piece_size);
}

std::string piece_root(std::vector<std::string> blocks, std::uint32_t piece_size) {
  return merkle_root(std::move(blocks), piece_size / kLeafBytes, zero_hash());
}

std::string info_dictionary(const Digest& blob, const BlobPieces& pieces, std::string_view authority) {
  // libtorrent lets in whose certificate has the torrent's name, so that is the same for all blobs then.
  const std::string name =
      bencoded(authority.empty() ? str_cat(blob.algorithm_name(), "-", blob.hex()) : std::string(kMemberName));
  return str_cat("d9:file treed", name, "d0:d6:lengthi", pieces.size, "e11:pieces root", bencoded(pieces_root(pieces)),
                 "eee12:meta versioni2e4:name", name, "12:piece lengthi", pieces.piece_size(), "e7:privatei1e",
                 authority.empty() ? "" : str_cat("8:ssl-cert", bencoded(authority)), "e");
}

Digest infohash(const Digest& blob, const BlobPieces& pieces, std::string_view authority) {
  return cache_index::sha256(as_bytes(info_dictionary(blob, pieces, authority)));
}

std::string tracker_key(const Digest& infohash) { return text_of(infohash).substr(0, 20); }

std::string torrent_file(const Digest& blob, const BlobPieces& pieces, std::string_view authority) {
  const std::string layer = pieces.count() > 1 ? bencoded(pieces_root(pieces)) + bencoded(pieces.hashes) : "";
  return str_cat("d4:info", info_dictionary(blob, pieces, authority), "12:piece layersd", layer, "ee");
}

}  // namespace samara::peer
