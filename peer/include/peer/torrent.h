#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"
#include "cache_index/hasher.h"

/// What makes a blob a torrent: BitTorrent v2, one file, private, everything that isn't the blob's bytes derived from
/// its digest and size. So whoever has the blob gets the same infohash, and swarms merge by themselves.
/// Swarms whose members show each other certificates are named by the authority of those too: it is part of the
/// infohash, and so whoever has another one is in another swarm.
/// Source: BEP 3, BEP 27 (private), BEP 35 (ssl-cert), BEP 52 (v2).
namespace samara::peer {

/// Smaller blobs never touch the swarm: an HTTP request brings them sooner.
inline constexpr std::uint64_t kMinSwarmBytes = 256u << 10;
/// Larger ones are refused: 4 TiB in pieces of 1 MiB.
inline constexpr std::uint64_t kMaxSwarmBytes = std::uint64_t{1} << 42;

/// 256 KiB, or 1 MiB for blobs over 1 GiB.
std::uint32_t piece_size_for(std::uint64_t blob_size);

/// A blob's pieces: what is known of it before any of its bytes are here.
struct BlobPieces {
  static constexpr std::size_t kHashBytes = 32;

  std::uint64_t size = 0;  ///< of the blob
  std::string hashes;      ///< one SHA-256 a piece, the root of its 16 KiB leaves

  std::uint32_t piece_size() const { return piece_size_for(size); }
  std::uint32_t count() const { return static_cast<std::uint32_t>(hashes.size() / kHashBytes); }
  /// Where piece `number` begins, and how long it is (the last one may be short).
  std::uint64_t offset(std::uint32_t number) const { return std::uint64_t{number} * piece_size(); }
  std::uint32_t length(std::uint32_t number) const;
  std::string_view hash(std::uint32_t number) const;
  bool operator==(const BlobPieces&) const = default;
};

/// InvalidArgument unless the size is one that a swarm takes and there is one hash a piece.
absl::Status check(const BlobPieces& pieces);

/// Hashes a blob's pieces while its bytes go by.
/// Threads: one.
class PieceHasher {
 public:
  /// `size` of the blob: kMinSwarmBytes to kMaxSwarmBytes.
  explicit PieceHasher(std::uint64_t size);
  void update(std::span<const std::uint8_t> bytes);
  /// OutOfRange unless exactly `size` bytes came.
  absl::StatusOr<BlobPieces> finish();

 private:
  void end_leaf();
  void end_piece();

  BlobPieces pieces_;
  std::uint64_t seen_ = 0;
  std::size_t in_leaf_ = 0;  // bytes hashed of the leaf that is under way
  cache_index::Hasher leaf_;
  std::vector<std::string> leaves_;  // of the piece that is under way
};

/// By one read of the file.
absl::StatusOr<BlobPieces> hash_pieces(int fd, std::uint64_t size);
/// The hash that a piece with these bytes has.
std::string piece_hash(std::span<const std::uint8_t> bytes, std::uint32_t piece_size);
/// The same from the SHA-256 of each of its 16 KiB blocks.
std::string piece_root(std::vector<std::string> blocks, std::uint32_t piece_size);

/// The name (DNS, subjectAltName) that makes a certificate one of a member of swarms.
inline constexpr std::string_view kMemberName = "samara-swarm";

/// The torrent's info dictionary, bencoded, and its SHA-256, which names the swarm. `authority`: a certificate (PEM) that
/// has signed those of all members; empty: members show none.
std::string info_dictionary(const Digest& blob, const BlobPieces& pieces, std::string_view authority = {});
Digest infohash(const Digest& blob, const BlobPieces& pieces, std::string_view authority = {});
/// What a tracker knows the swarm by: the first 20 bytes of the infohash (BEP 52).
std::string tracker_key(const Digest& infohash);
/// A whole .torrent file, for libtorrent or any other client.
std::string torrent_file(const Digest& blob, const BlobPieces& pieces, std::string_view authority = {});

}  // namespace samara::peer
