#include "fuse_fs/local_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <optional>

#include "base/file.h"
#include "test_layer.h"

namespace samara::fuse_fs {
namespace {

constexpr std::uint32_t kChunk = 64u << 10;

class LocalReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    layer_.file("file", pattern(10 * kChunk));
    layer_.write(dir_.path(), kChunk);
    index_ = cache_index::IndexReader::open(dir_.path() + "/index").value();
  }

  LocalReader& reader() {
    reader_.emplace(LocalReader::Options{.memory_bytes = 3 * kChunk});
    reader_->add_blob(index_->info().blob, open_file(dir_.path() + "/blob", O_RDONLY).value());
    return *reader_;
  }

  absl::StatusOr<peer::ChunkBytes> read(LocalReader& reader, std::uint32_t chunk) {
    std::promise<absl::StatusOr<peer::ChunkBytes>> got;
    reader.read(index_, chunk, peer::FetchClass::kBlocking, [&](auto bytes) { got.set_value(std::move(bytes)); });
    return got.get_future().get();
  }

  TempDir dir_ = TempDir::create("local-reader").value();
  TestLayer layer_;
  peer::LayerIndex index_;
  std::optional<LocalReader> reader_;
};

TEST_F(LocalReaderTest, GivesEveryChunk) {
  LocalReader& local = reader();

  for (std::uint32_t i = 0; i < 10; ++i) {
    const auto bytes = read(local, i);

    ASSERT_TRUE(bytes.ok()) << bytes.status();
    EXPECT_EQ(**bytes, layer_.stream().substr(i * kChunk, kChunk));
  }
}

TEST_F(LocalReaderTest, GivesTheSameBytesAgainWhileTheyAreInMemory) {
  LocalReader& local = reader();

  const peer::ChunkBytes first = read(local, 4).value();
  const peer::ChunkBytes again = read(local, 4).value();
  for (const std::uint32_t other : {0, 1, 2, 3}) ASSERT_TRUE(read(local, other).ok());
  const peer::ChunkBytes later = read(local, 4).value();

  EXPECT_EQ(first, again);
  EXPECT_NE(first, later);
  EXPECT_EQ(*first, *later);
}

TEST_F(LocalReaderTest, AnswersAllWhoAskForTheSameChunk) {
  LocalReader& local = reader();
  std::atomic<int> right = 0;

  for (int round = 0; round < 20; ++round) {
    local.prefetch(index_, 0, 10, peer::FetchClass::kReadahead);
    for (std::uint32_t i = 0; i < 10; ++i) {
      local.read(index_, i, peer::FetchClass::kBlocking, [&, i](absl::StatusOr<peer::ChunkBytes> bytes) {
        if (bytes.ok() && **bytes == layer_.stream().substr(i * kChunk, kChunk)) ++right;
      });
    }
  }
  reader_.reset();

  EXPECT_EQ(right, 200);
}

TEST_F(LocalReaderTest, RefusesAnAlteredChunk) {
  const auto chunk = index_->chunk(5).value();
  const Fd blob = open_file(dir_.path() + "/blob", O_RDWR).value();
  ASSERT_TRUE(pwrite_all(blob.get(), as_bytes("altered"), chunk.blob_offset + chunk.blob_size / 2).ok());
  LocalReader& local = reader();

  EXPECT_TRUE(absl::IsDataLoss(read(local, 5).status()));
  EXPECT_TRUE(read(local, 6).ok());
}

TEST_F(LocalReaderTest, SaysWhatIsWrongWithTheBlob) {
  LocalReader& local = reader();
  ASSERT_EQ(truncate((dir_.path() + "/blob").c_str(), 100), 0);
  LocalReader without({});

  EXPECT_TRUE(absl::IsDataLoss(read(local, 9).status())) << read(local, 9).status();
  EXPECT_TRUE(absl::IsNotFound(read(without, 0).status()));
  EXPECT_TRUE(absl::IsOutOfRange(read(local, 10).status())) << read(local, 10).status();
}

}  // namespace
}  // namespace samara::fuse_fs
