#include "shared_blob.h"

#include <fcntl.h>

#include "swarm_fixture.h"

namespace samara::peer {
namespace {

const SwarmLayer& layer() {
  static const SwarmLayer made = SwarmLayer::make();
  return made;
}

class SharedBlobs : public ::testing::Test {
 protected:
  void SetUp() override {
    auto cache = cache_index::Cache::open({.root = dir_.path()});
    ASSERT_TRUE(cache.ok()) << cache.status();
    cache_ = *std::move(cache);
  }
  SharedBlob open(std::string_view remembered = "", const LayerIndex& index = layer().index) {
    absl::StatusOr<SharedBlob> shared = SharedBlob::open(*cache_, layer().blob(), layer().pieces, index, remembered);
    EXPECT_TRUE(shared.ok()) << shared.status();
    return *std::move(shared);
  }
  void write(SharedBlob& shared, std::uint32_t piece) {
    const std::string bytes = layer().bytes.substr(layer().pieces.offset(piece), layer().pieces.length(piece));
    ASSERT_TRUE(shared.file()->write(piece, 0, as_bytes(bytes)).ok());
  }
  /// Every chunk that touches the piece, stored as part of `blob`.
  void put_chunks_of_piece(std::uint32_t piece, const Digest& blob) {
    const std::uint64_t begin = layer().pieces.offset(piece), end = begin + layer().pieces.length(piece);
    for (std::uint32_t i = 0; i < layer().index->info().chunk_count; ++i) {
      const cache_index::Chunk chunk = layer().index->chunk(i).value();
      if (chunk.blob_range().end <= begin || chunk.blob_offset >= end) continue;
      ASSERT_TRUE(cache_->put_frame(blob, chunk, as_bytes(layer().frame(chunk))).ok());
    }
  }

  TempDir dir_ = *TempDir::create("shared-blob");
  std::unique_ptr<cache_index::Cache> cache_;
};

TEST_F(SharedBlobs, BeginWithNothing) {
  const SharedBlob shared = open();

  EXPECT_EQ(shared.count(), 0u);
  EXPECT_EQ(shared.total(), layer().pieces.count());
}

TEST_F(SharedBlobs, CountPiecesThatChunksOfTheBlobCover) {
  put_chunks_of_piece(2, layer().blob());

  const SharedBlob shared = open();

  EXPECT_TRUE(shared.has(2));
  EXPECT_FALSE(shared.has(5));
}

TEST_F(SharedBlobs, FillInPiecesThatChunksOfAnotherBlobCover) {
  put_chunks_of_piece(2, cache_index::sha256(as_bytes("another blob")));

  const SharedBlob shared = open();

  EXPECT_TRUE(shared.has(2));
  std::string bytes(layer().pieces.length(2), '\0');
  ASSERT_TRUE(shared.file()->read(2, 0, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}).ok());
  EXPECT_EQ(bytes, layer().bytes.substr(layer().pieces.offset(2), bytes.size()));
}

TEST_F(SharedBlobs, DontCountAPieceWhoseCoveringBytesWereAltered) {
  put_chunks_of_piece(2, layer().blob());
  const Fd file = *open_file(cache_->object_path(layer().blob()), O_RDWR);
  ASSERT_TRUE(pwrite_all(file.get(), as_bytes("?"), layer().pieces.offset(2) + 9).ok());

  EXPECT_FALSE(open().has(2));
}

TEST_F(SharedBlobs, GiveTheChunksThatLieInPiecesThatAreHere) {
  SharedBlob shared = open();
  std::set<Digest> given;

  for (std::uint32_t i = 0; i < shared.total(); ++i) {
    write(shared, i);
    for (const cache_index::Chunk& chunk : shared.add(i)) {
      EXPECT_LE(chunk.blob_range().end, layer().pieces.offset(i) + layer().pieces.length(i));
      EXPECT_TRUE(cache_->adopt_frame(layer().blob(), chunk).ok());
      given.insert(chunk.digest);
    }
  }

  EXPECT_TRUE(shared.is_complete());
  EXPECT_EQ(cache_->presence(*layer().index)->chunks, layer().index->info().chunk_count);
  EXPECT_FALSE(given.empty());
}

TEST_F(SharedBlobs, RememberWhatWasHereButNotHoles) {
  std::string bits;
  {
    SharedBlob shared = open();
    write(shared, 1);
    shared.add(1);
    shared.add(3);  // remembered, and its bytes are gone
    bits = shared.have_bits();
  }

  const SharedBlob again = open(bits, nullptr);

  EXPECT_TRUE(again.has(1));
  EXPECT_FALSE(again.has(3));
  EXPECT_EQ(again.have_bits().size(), bits.size());
}

TEST_F(SharedBlobs, NeverGiveWhatWasAlteredSince) {
  SharedBlob shared = open();
  write(shared, 1);
  std::string bits = (shared.add(1), shared.have_bits());
  const Fd file = *open_file(cache_->object_path(layer().blob()), O_RDWR);
  ASSERT_TRUE(pwrite_all(file.get(), as_bytes("?"), layer().pieces.offset(1) + 9).ok());

  const SharedBlob again = open(bits, nullptr);
  std::uint8_t byte = 0;

  EXPECT_TRUE(again.has(1));  // by what is remembered; looked at before the first byte is given
  EXPECT_TRUE(absl::IsDataLoss(again.file()->read(1, 0, {&byte, 1})));
}

TEST_F(SharedBlobs, RefuseReadsAndWritesOutsideTheirPieces) {
  const SharedBlob shared = open();
  std::uint8_t byte = 0;
  const std::uint32_t last = layer().pieces.count() - 1;

  EXPECT_FALSE(shared.file()->read(last + 1, 0, {&byte, 1}).ok());
  EXPECT_FALSE(shared.file()->read(last, layer().pieces.length(last), {&byte, 1}).ok());
  EXPECT_FALSE(shared.file()->write(0, layer().pieces.piece_size(), {&byte, 1}).ok());
}

TEST_F(SharedBlobs, AreNotWrittenIntoOnceWhole) {
  ASSERT_TRUE(cache_->put_object(layer().blob(), as_bytes(layer().bytes)).ok());

  const SharedBlob shared = open();

  EXPECT_TRUE(shared.is_complete());
  EXPECT_EQ(shared.file()->write(0, 0, as_bytes("x")).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(cache_->remove_object(layer().blob()).ok());
  EXPECT_TRUE(shared.file()->is_gone());
}

}  // namespace
}  // namespace samara::peer
