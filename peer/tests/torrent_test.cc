#include "peer/torrent.h"

#include <gtest/gtest.h>

#include <libtorrent/create_torrent.hpp>
#include <libtorrent/torrent_info.hpp>

#include "base/file.h"
#include "sample_layer.h"

namespace samara::peer {
namespace {

using cache_index::sample_bytes;

BlobPieces pieces_of(std::string_view blob, std::size_t step = 10'007) {
  PieceHasher hasher(blob.size());
  for (; !blob.empty(); blob.remove_prefix(std::min(step, blob.size()))) hasher.update(as_bytes(blob.substr(0, step)));
  const absl::StatusOr<BlobPieces> pieces = hasher.finish();
  EXPECT_TRUE(pieces.ok()) << pieces.status();
  return pieces.ok() ? *pieces : BlobPieces{};
}

Digest digest_of(std::string_view blob) { return cache_index::sha256(as_bytes(blob)); }

TEST(PieceSize, GrowsWithTheBlob) {
  EXPECT_EQ(piece_size_for(1u << 30), 256u << 10);
  EXPECT_EQ(piece_size_for((1u << 30) + 1), 1u << 20);
}

TEST(Pieces, AreTheSameHoweverTheBytesCame) {
  const std::string blob = sample_bytes(1, (1u << 20) + 12'345);
  const TempDir dir = *TempDir::create("torrent");
  ASSERT_TRUE(write_file_atomic(dir.path() + "/blob", blob).ok());

  const BlobPieces pieces = pieces_of(blob);

  EXPECT_EQ(pieces.count(), 5u);
  EXPECT_EQ(pieces.length(4), 12'345u);
  EXPECT_EQ(pieces_of(blob, 1u << 20), pieces);
  EXPECT_EQ(hash_pieces(open_file(dir.path() + "/blob", 0)->get(), blob.size()).value(), pieces);
  for (std::uint32_t i = 0; i < pieces.count(); ++i) {
    const std::string piece = blob.substr(pieces.offset(i), pieces.length(i));
    EXPECT_EQ(piece_hash(as_bytes(piece), pieces.piece_size()), pieces.hash(i)) << i;
  }
}

TEST(Pieces, AreRefusedWhenBytesAreMissingOrTheBlobIsTooSmall) {
  PieceHasher hasher(kMinSwarmBytes);
  hasher.update(as_bytes("too few"));

  EXPECT_EQ(hasher.finish().status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_FALSE(check(BlobPieces{kMinSwarmBytes - 1, std::string(32, 'x')}).ok());
  EXPECT_FALSE(check(BlobPieces{kMinSwarmBytes, std::string(64, 'x')}).ok());
  EXPECT_FALSE(check(BlobPieces{~std::uint64_t{0}, std::string(32, 'x')}).ok());
  EXPECT_TRUE(check(BlobPieces{kMinSwarmBytes, std::string(32, 'x')}).ok());
}

/// What libtorrent makes of the same bytes is the reference for trees and infohash.
class AgainstLibtorrent : public ::testing::TestWithParam<std::size_t> {};

TEST_P(AgainstLibtorrent, GivesTheSameTorrent) {
  const std::string blob = sample_bytes(2, GetParam());
  const Digest digest = digest_of(blob);
  const BlobPieces pieces = pieces_of(blob);
  const TempDir dir = *TempDir::create("torrent");
  const std::string name = "sha256-" + digest.hex();
  ASSERT_TRUE(write_file_atomic(dir.path() + "/" + name, blob).ok());
  lt::file_storage files;
  files.add_file(name, static_cast<std::int64_t>(blob.size()));
  lt::create_torrent reference(files, static_cast<int>(pieces.piece_size()), lt::create_torrent::v2_only);
  reference.set_priv(true);
  reference.set_creation_date(0);
  lt::set_piece_hashes(reference, dir.path());

  const std::string ours = torrent_file(digest, pieces);
  lt::error_code error;
  const lt::torrent_info parsed(ours, error, lt::from_span);

  ASSERT_FALSE(error) << error.message();
  std::vector<char> buffer;
  lt::bencode(std::back_inserter(buffer), reference.generate());
  const lt::torrent_info expected(buffer, lt::from_span);
  EXPECT_EQ(parsed.info_hashes().v2, expected.info_hashes().v2);
  EXPECT_EQ(parsed.info_hashes().v2.to_string(), std::string(as_text(infohash(digest, pieces).bytes())));
  EXPECT_EQ(parsed.info_hashes().get_best().to_string(), tracker_key(infohash(digest, pieces)));
  EXPECT_TRUE(parsed.priv());
  EXPECT_EQ(parsed.num_pieces(), static_cast<int>(pieces.count()));
}

INSTANTIATE_TEST_SUITE_P(Sizes, AgainstLibtorrent,
                         ::testing::Values(256u << 10, (256u << 10) + 1, 512u << 10, 1'000'003, 3u << 20));

}  // namespace
}  // namespace samara::peer
