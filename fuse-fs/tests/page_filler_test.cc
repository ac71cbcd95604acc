#include "page_filler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "test_layer.h"

namespace samara::fuse_fs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint32_t kPage = 4096;

/// Three files in chunks of ten pages and a bit: "a" of 2 pages, "b" of 30 pages and 100 bytes, "c".
struct Sample {
  TestLayer layer;
  peer::LayerIndex index;
  cache_index::Inode file;

  Sample() {
    layer.file("a", std::string(2 * kPage, 'a'));
    layer.file("b", pattern(30 * kPage + 100));
    layer.file("c", std::string(2 * kPage, 'c'));
    index = layer.build(10 * kPage + 1000);
    file = index->inode(index->lookup(1, "b").value()).value();
  }

  std::vector<PageRange> around(std::uint64_t offset, std::uint64_t size) const {
    return pages_around(*index, file, offset, plan_read(*index, file, offset, size).value());
  }
};

TEST(PagesAround, AreWholePagesOfTheFileInTheSameChunks) {
  const Sample sample;

  // Chunk 1 is bytes [41960, 83920) of the stream, so [33768, 75728) of the file: pages 9 to 17.
  EXPECT_THAT(sample.around(12 * kPage, kPage),
              ElementsAre(PageRange{.chunk = 1, .begin = 36864 - 33768, .size = 3 * kPage, .file_offset = 9 * kPage},
                          PageRange{.chunk = 1, .begin = 53248 - 33768, .size = 5 * kPage, .file_offset = 13 * kPage}));
}

TEST(PagesAround, StayInTheFile) {
  const Sample sample;

  EXPECT_THAT(sample.around(3 * kPage, kPage),
              ElementsAre(PageRange{.chunk = 0, .begin = 2 * kPage, .size = 3 * kPage, .file_offset = 0},
                          PageRange{.chunk = 0, .begin = 6 * kPage, .size = 4 * kPage, .file_offset = 4 * kPage}));
  // Chunk 3 begins at byte 117688 of the file, in page 28.
  EXPECT_THAT(sample.around(29 * kPage, kPage),
              ElementsAre(PageRange{.chunk = 3, .begin = 122880 - 117688, .size = 100, .file_offset = 30 * kPage}));
}

TEST(PagesAround, AreNoneWhenEverythingWasAskedFor) {
  const Sample sample;

  EXPECT_THAT(sample.around(0, 31 * kPage), IsEmpty());
  EXPECT_THAT(sample.around(31 * kPage, kPage), IsEmpty());
}

TEST(PagesAround, HoldTheFilesBytes) {
  const Sample sample;
  const std::string content = pattern(30 * kPage + 100);

  for (std::uint64_t page = 0; page <= 30; ++page) {
    for (const PageRange& range : sample.around(page * kPage, 2 * kPage)) {
      const auto chunk = sample.index->chunk(range.chunk).value();
      EXPECT_EQ(sample.layer.stream().substr(chunk.stream_offset + range.begin, range.size),
                content.substr(range.file_offset, range.size));
      EXPECT_LE(range.begin + range.size, chunk.stream_size);
    }
  }
}

TEST(PageFiller, StoresWhatItIsGiven) {
  std::promise<std::string> stored;
  PageFiller filler([&](std::uint64_t node, std::uint64_t offset, std::string_view bytes) {
    stored.set_value(std::to_string(node) + " " + std::to_string(offset) + " " + std::string(bytes));
  });

  filler.fill(7, {.chunk = 1, .begin = 2, .size = 3, .file_offset = 4096}, std::make_shared<std::string>("abcdefg"));

  EXPECT_EQ(stored.get_future().get(), "7 4096 cde");
}

TEST(PageFiller, LeavesOutWhatDoesntFitItsChunk) {
  bool stored = false;
  PageFiller filler([&](std::uint64_t, std::uint64_t, std::string_view) { stored = true; });

  filler.fill(7, {.chunk = 1, .begin = 2, .size = 300, .file_offset = 0}, std::make_shared<std::string>("abcdefg"));
  filler.stop();

  EXPECT_FALSE(stored);
}

TEST(PageFiller, DoesntGiveAChunkTwiceInARow) {
  PageFiller filler([](std::uint64_t, std::uint64_t, std::string_view) {});
  const std::vector<PageRange> pages = {{.chunk = 1, .begin = 0, .size = 1, .file_offset = 0},
                                        {.chunk = 1, .begin = 2, .size = 1, .file_offset = 4096},
                                        {.chunk = 2, .begin = 0, .size = 1, .file_offset = 8192}};

  EXPECT_EQ(filler.worth_giving(7, pages), pages);
  EXPECT_THAT(filler.worth_giving(7, pages), IsEmpty());
  EXPECT_EQ(filler.worth_giving(7, pages), pages);
}

}  // namespace
}  // namespace samara::fuse_fs
