#include "cache_index/layer_writer.h"

#include <fcntl.h>

#include <algorithm>
#include <future>
#include <set>

#include "base/thread_pool.h"
#include "cache_index/tar_stream.h"
#include "layer_fixture.h"

namespace samara::cache_index {
namespace {

using ::testing::ElementsAre;

std::string replayed(const SampleLayer& layer) {
  const Fd blob = open_file(layer.blob_path, O_RDONLY).value();
  std::string tar;
  const absl::Status status = replay_tar(*layer.index, blob_file_source(blob.get()), [&](auto bytes) {
    tar += as_text(bytes);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return tar;
}

std::vector<Chunk> chunks_of(const IndexReader& index) {
  std::vector<Chunk> chunks;
  for (std::uint32_t i = 0; i < index.info().chunk_count; ++i) chunks.push_back(index.chunk(i).value());
  return chunks;
}

std::set<std::string> digests_of(const IndexReader& index) {
  std::set<std::string> digests;
  for (const Chunk& chunk : chunks_of(index)) digests.insert(chunk.digest.to_string());
  return digests;
}

/// A little of everything, with files below and above every size that matters.
std::vector<SampleEntry> mixed_entries() {
  std::vector<SampleEntry> entries = {{.path = "", .mode = S_IFDIR | 0755},
                                      {.path = "empty"},
                                      {.path = "link", .mode = S_IFLNK | 0777, .content = "dir/one byte"},
                                      {.path = "dir/one byte", .content = "x"}};
  std::uint64_t seed = 1;
  for (const std::size_t size : {511, 512, 4095, 4096, 4097, 65536, 262143, 262144, 262145, 1'048'576, 3'000'001}) {
    entries.push_back({.path = "text/" + std::to_string(size), .content = sample_text(++seed, size)});
    entries.push_back({.path = "bytes/" + std::to_string(size), .content = sample_bytes(++seed, size)});
  }
  entries.push_back({.path = "sparse", .content = "begin", .hole = 5'000'000});
  entries.push_back({.path = "again", .content = sample_bytes(3, 511)});
  return entries;
}

using LayerWriterTest = LayerTest;

TEST_F(LayerWriterTest, GivesTheTarBack) {
  const SampleLayer layer = write(mixed_entries());

  EXPECT_EQ(replayed(layer), layer.tar);
}

TEST_F(LayerWriterTest, GivesEveryFileBack) {
  const std::vector<SampleEntry> entries = mixed_entries();

  const SampleLayer layer = write(entries);

  for (const SampleEntry& entry : entries) {
    if (!S_ISREG(entry.mode)) continue;
    const auto content = read_sample_file(layer, entry.path);
    ASSERT_TRUE(content.ok()) << entry.path << ": " << content.status();
    EXPECT_TRUE(*content == entry.content + std::string(entry.hole, '\0')) << entry.path;
  }
}

TEST_F(LayerWriterTest, TellsWhatItWrote) {
  const SampleLayer layer = write(mixed_entries());

  const std::string blob = read_file(layer.blob_path).value(), index = read_file(layer.index_path).value();
  EXPECT_EQ(layer.written.index, sha256(as_bytes(index)));
  EXPECT_EQ(layer.written.index_size, index.size());
  EXPECT_EQ(layer.written.info.blob, sha256(as_bytes(blob)));
  EXPECT_EQ(layer.written.info.blob_size, blob.size());
  EXPECT_EQ(layer.written.info.diff_id, sha256(as_bytes(layer.tar)));
  EXPECT_EQ(layer.written.info.tar_size, layer.tar.size());
}

TEST_F(LayerWriterTest, HoldsAFileOfVeryManyChunks) {
  const SampleLayer layer = write({{.path = "big", .content = sample_text(1, 48u << 20)}});

  EXPECT_EQ(replayed(layer), layer.tar);
}

TEST_F(LayerWriterTest, ConvertsAnEmptyLayer) {
  const SampleLayer layer = write({});

  EXPECT_EQ(replayed(layer), layer.tar);
  EXPECT_EQ(layer.index->info().chunk_count, 0);
  EXPECT_EQ(layer.index->info().blob_size, 0);
  EXPECT_EQ(layer.index->entry_count(kRootInode).value(), 0);
}

TEST_F(LayerWriterTest, ConvertsATarOfNoBytes) {
  ThreadPool pool("test", 1);
  const std::string directory = new_directory();
  const auto writer = LayerWriter::create(directory, pool).value();

  const auto written = writer->finish({.nodes = {{.mode = S_IFDIR | 0755}}}, sha256({}), 0);

  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->info.tar_size, 0);
}

TEST_F(LayerWriterTest, WritesTheSameBytesForAnyThreadsAndAnySplit) {
  const SampleLayer layer = write(mixed_entries());

  for (const SampleWriting writing : {SampleWriting{.threads = 1}, SampleWriting{.threads = 7},
                                      SampleWriting{.threads = 2, .split = 4096},
                                      SampleWriting{.threads = 3, .split = 997}}) {
    SCOPED_TRACE(testing::Message() << writing.threads << " threads, split " << writing.split);
    const SampleLayer other = write(mixed_entries(), writing);
    EXPECT_EQ(other.written.index, layer.written.index);
    EXPECT_EQ(other.written.info.blob, layer.written.info.blob);
  }
}

TEST_F(LayerWriterTest, StoresTheSameContentOnce) {
  const std::string big = sample_bytes(1, 900'000);

  const SampleLayer layer = write(
      {{.path = "a", .content = big}, {.path = "b", .content = big}, {.path = "c", .content = big}});

  EXPECT_LT(layer.index->info().blob_size, big.size() * 11 / 10);
  EXPECT_GE(layer.index->info().chunk_count, 3 * digests_of(*layer.index).size());
  EXPECT_EQ(read_sample_file(layer, "c").value(), big);
}

TEST_F(LayerWriterTest, GivesABigFileTheSameChunksWhateverSurroundsIt) {
  const std::string big = sample_bytes(1, 2'000'000);
  const SampleLayer alone = write({{.path = "big", .content = big}});

  const SampleLayer among = write({{.path = "a", .content = sample_bytes(2, 100'000)},
                                   {.path = "big", .content = big},
                                   {.path = "z", .content = sample_bytes(3, 50'000)}});

  const std::set<std::string> there = digests_of(*among.index);
  for (const std::string& digest : digests_of(*alone.index)) EXPECT_TRUE(there.contains(digest));
}

TEST_F(LayerWriterTest, CutsAtBothEndsOfABigFileOnly) {
  const SampleLayer layer = write({{.path = "small", .content = sample_bytes(1, 1000)},
                                   {.path = "big", .content = sample_bytes(2, 262'145)},
                                   {.path = "small too", .content = sample_bytes(3, 1000)},
                                   {.path = "and too", .content = sample_bytes(4, 1000)}});

  std::vector<std::uint64_t> ends;
  for (const Chunk& chunk : chunks_of(*layer.index)) ends.push_back(chunk.stream_range().end);
  EXPECT_THAT(ends, ::testing::Contains(4096));
  EXPECT_THAT(ends, ::testing::Contains(4096 + 266'240));
  EXPECT_EQ(ends.back(), 4096 + 266'240 + 2 * 4096);
  EXPECT_THAT(ends, ::testing::Not(::testing::Contains(4096 + 266'240 + 4096)));
}

TEST_F(LayerWriterTest, HoldsAFileOfManyGigabytesOfHole) {
  const std::uint64_t hole = 9ull << 30;

  const SampleLayer layer = write({{.path = "sparse", .content = sample_text(1, 10'000), .hole = hole},
                                   {.path = "after", .content = "still here"}});

  EXPECT_EQ(inode_at(layer, "sparse").size, hole + 10'000);
  EXPECT_GT(inode_at(layer, "after").data_offset, hole);
  EXPECT_EQ(read_sample_file(layer, "after").value(), "still here");
  EXPECT_EQ(replayed(layer), layer.tar);
  EXPECT_LT(layer.index->info().blob_size, 50'000);
}

TEST_F(LayerWriterTest, MakesNoDifferenceBetweenAHoleAndZeros) {
  const SampleLayer zeros = write({{.path = "f", .content = "x" + std::string(3'000'000, '\0')}});

  const SampleLayer hole = write({{.path = "f", .content = "x", .hole = 3'000'000}});

  EXPECT_EQ(hole.index->info().blob, zeros.index->info().blob);
}

TEST_F(LayerWriterTest, RefusesAnotherDiffId) {
  ThreadPool pool("test", 1);
  const auto writer = LayerWriter::create(new_directory(), pool).value();
  ASSERT_TRUE(writer->framing(as_bytes("header")).ok());
  const LayerTree tree{.nodes = {{.mode = S_IFDIR | 0755}}};

  const auto written = writer->finish(tree, sha256(as_bytes("another header")), 6);

  EXPECT_TRUE(absl::IsDataLoss(written.status())) << written.status();
}

TEST_F(LayerWriterTest, RefusesAnotherTarSize) {
  ThreadPool pool("test", 1);
  const auto writer = LayerWriter::create(new_directory(), pool).value();
  ASSERT_TRUE(writer->framing(as_bytes("header")).ok());

  const auto written = writer->finish({.nodes = {{.mode = S_IFDIR | 0755}}}, sha256(as_bytes("header")), 7);

  EXPECT_TRUE(absl::IsDataLoss(written.status())) << written.status();
}

TEST_F(LayerWriterTest, RefusesDataOutsideAFileAndKeepsSayingSo) {
  ThreadPool pool("test", 1);
  const auto writer = LayerWriter::create(new_directory(), pool).value();

  const absl::Status first = writer->data(as_bytes("nobody's"));
  const absl::Status later = writer->framing(as_bytes("header"));

  EXPECT_TRUE(absl::IsFailedPrecondition(first)) << first;
  EXPECT_EQ(later, first);
}

TEST_F(LayerWriterTest, RefusesAHoleOfMoreThanATebibyte) {
  ThreadPool pool("test", 1);
  const auto writer = LayerWriter::create(new_directory(), pool).value();
  ASSERT_TRUE(writer->begin_file(1).ok());
  ASSERT_TRUE(writer->data(as_bytes("x")).ok());

  const absl::Status status = writer->hole(~std::uint64_t{0});

  EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
}

TEST_F(LayerWriterTest, TellsWhenTheDiskIsFull) {
  ThreadPool pool("test", 2);
  const std::string directory = new_directory();
  ASSERT_EQ(symlink("/dev/full", (directory + "/blob").c_str()), 0);
  const auto writer = LayerWriter::create(directory, pool).value();
  ASSERT_TRUE(writer->begin_file(3'000'000).ok());

  absl::Status status = writer->data(as_bytes(sample_bytes(1, 3'000'000)));
  if (status.ok()) status = writer->finish({.nodes = {{.mode = S_IFDIR | 0755}}}, sha256({}), 0).status();

  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
}

TEST_F(LayerWriterTest, CanBeDroppedInTheMiddle) {
  ThreadPool pool("test", 2);
  auto writer = LayerWriter::create(new_directory(), pool).value();
  ASSERT_TRUE(writer->begin_file(9'000'000).ok());
  ASSERT_TRUE(writer->data(as_bytes(sample_text(1, 5'000'000))).ok());

  writer.reset();
  std::promise<std::string> served;
  pool.run([&] { served.set_value("the next task"); });

  EXPECT_EQ(served.get_future().get(), "the next task");
}

TEST_F(LayerWriterTest, WorksOnTheVeryPoolThatItsCallerRunsOn) {
  ThreadPool pool("test", 1);
  const std::string content = sample_text(1, 8'000'000), directory = new_directory();
  std::promise<absl::Status> done;

  pool.run([&] {
    const auto writer = LayerWriter::create(directory, pool).value();
    absl::Status status = writer->begin_file(content.size()).status();
    if (status.ok()) status = writer->data(as_bytes(content));
    const LayerTree tree{.nodes = {{.mode = S_IFDIR | 0755}}};
    if (status.ok()) status = writer->finish(tree, sha256(as_bytes(content)), content.size()).status();
    done.set_value(status);
  });

  const absl::Status status = done.get_future().get();
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace samara::cache_index
