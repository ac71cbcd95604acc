#include "cache_index/tar_stream.h"

#include <fcntl.h>

#include "base/status.h"
#include "layer_fixture.h"

namespace samara::cache_index {
namespace {

class TarStreamTest : public LayerTest {
 protected:
  absl::Status verify(const SampleLayer& layer) {
    const Fd blob = open_file(layer.blob_path, O_RDONLY).value();
    return verify_layer(*layer.index, blob_file_source(blob.get()));
  }

  /// Flips a bit of the blob at `offset`.
  void damage_blob(const SampleLayer& layer, std::uint64_t offset) {
    const Fd blob = open_file(layer.blob_path, O_RDWR).value();
    std::uint8_t byte;
    ASSERT_TRUE(pread_all(blob.get(), {&byte, 1}, offset).ok());
    byte ^= 1;
    ASSERT_TRUE(pwrite_all(blob.get(), {&byte, 1}, offset).ok());
  }
};

TEST_F(TarStreamTest, ProvesALayer) {
  const SampleLayer layer = write({{.path = "a", .content = sample_text(1, 700'000)},
                                   {.path = "b", .content = "x", .hole = 3u << 20}});

  const absl::Status status = verify(layer);

  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(TarStreamTest, FindsAnAlteredFrameAndNamesIt) {
  const SampleLayer layer = write({{.path = "a", .content = sample_bytes(1, 700'000)}});
  const Chunk altered = layer.index->chunk(1).value();
  damage_blob(layer, altered.blob_offset + altered.blob_size / 2);

  const absl::Status status = verify(layer);

  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_NE(status.ToString().find(altered.digest.to_string()), std::string::npos) << status;
}

TEST_F(TarStreamTest, FindsAnAlteredFrameThatOnlyAHoleUses) {
  const SampleLayer layer = write({{.path = "a", .content = "x", .hole = 4u << 20}});
  const Chunk hole = layer.index->chunk(1).value();
  damage_blob(layer, hole.blob_offset + hole.blob_size - 1);

  const absl::Status status = verify(layer);

  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST_F(TarStreamTest, FindsABlobCutShort) {
  const SampleLayer layer = write({{.path = "a", .content = sample_bytes(1, 700'000)}});
  ASSERT_EQ(truncate(layer.blob_path.c_str(), 600'000), 0);

  const absl::Status status = verify(layer);

  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST_F(TarStreamTest, FindsAnIndexOfAnotherTar) {
  const SampleLayer layer = write({{.path = "a", .content = "x"}});
  LayerInfo info = layer.index->info();
  info.diff_id = sha256(as_bytes("another tar"));
  const std::vector<Chunk> chunks = {layer.index->chunk(0).value()};
  const std::string forged =
      encode_index({.nodes = {{.mode = S_IFDIR | 0755}}}, info, chunks, layer.index->framing()).value();
  const auto index = IndexReader::view(as_bytes(forged)).value();
  const Fd blob = open_file(layer.blob_path, O_RDONLY).value();

  const absl::Status status = verify_layer(*index, blob_file_source(blob.get()));

  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_NE(status.ToString().find(info.diff_id.to_string()), std::string::npos) << status;
}

TEST_F(TarStreamTest, WritesNoMoreThanTheTarSize) {
  const SampleLayer layer = write({{.path = "a", .content = sample_text(1, 100'000)}});
  LayerInfo info = layer.index->info();
  info.tar_size = 50'000;
  const std::vector<Chunk> chunks = {layer.index->chunk(0).value()};
  const std::string forged =
      encode_index({.nodes = {{.mode = S_IFDIR | 0755}}}, info, chunks, layer.index->framing()).value();
  const auto index = IndexReader::view(as_bytes(forged)).value();
  const Fd blob = open_file(layer.blob_path, O_RDONLY).value();
  std::uint64_t size = 0;

  const absl::Status status = replay_tar(*index, blob_file_source(blob.get()), [&](auto bytes) {
    size += bytes.size();
    return absl::OkStatus();
  });

  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_LE(size, 50'000);
}

TEST_F(TarStreamTest, HandsTheSinksErrorOn) {
  const SampleLayer layer = write({{.path = "a", .content = "x"}});
  const Fd blob = open_file(layer.blob_path, O_RDONLY).value();

  const absl::Status status =
      replay_tar(*layer.index, blob_file_source(blob.get()), [](auto) { return absl::ResourceExhaustedError("full"); });

  EXPECT_EQ(status, absl::ResourceExhaustedError("full"));
}

TEST_F(TarStreamTest, HandsTheSourcesErrorOn) {
  const SampleLayer layer = write({{.path = "a", .content = "x"}});
  const ChunkSource offline = [](const Chunk&) -> absl::StatusOr<std::string> {
    return absl::UnavailableError("offline");
  };

  const absl::Status status = replay_tar(*layer.index, offline, [](auto) { return absl::OkStatus(); });

  EXPECT_EQ(status, absl::UnavailableError("offline"));
}

TEST_F(TarStreamTest, AsksForEachChunkOnceAndForNoneOfAHole) {
  const SampleLayer layer = write({{.path = "a", .content = sample_bytes(1, 3'000'000)},
                                   {.path = "b", .content = "x", .hole = 50u << 20}});
  const Fd blob = open_file(layer.blob_path, O_RDONLY).value();
  const ChunkSource from_blob = blob_file_source(blob.get());
  std::vector<std::uint64_t> asked;

  const absl::Status status = replay_tar(
      *layer.index, [&](const Chunk& chunk) { return asked.push_back(chunk.stream_offset), from_blob(chunk); },
      [](auto) { return absl::OkStatus(); });

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(std::is_sorted(asked.begin(), asked.end()));
  EXPECT_TRUE(std::adjacent_find(asked.begin(), asked.end()) == asked.end());
  EXPECT_LT(asked.size(), layer.index->info().chunk_count - 40);
}

}  // namespace
}  // namespace samara::cache_index
