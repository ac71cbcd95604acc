#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recording_sink.h"
#include "sparse_map.h"
#include "tar_builder.h"

namespace samara::convert {
namespace {

using Dialect = TarBuilder::Dialect;

std::string zeros(std::size_t size) { return std::string(size, '\0'); }
std::string padded(std::string text) { return text + zeros((512 - text.size() % 512) % 512); }

/// "aaaa" at 100 and "bb" at 1000 of a file of 2000 bytes.
std::string expanded() { return zeros(100) + "aaaa" + zeros(896) + "bb" + zeros(998); }

void put(std::string& block, std::size_t at, std::string_view text) { block.replace(at, text.size(), text); }

TEST(Sparse, ReadsPaxFormat00) {
  const std::string tar =
      TarBuilder()
          .entry({.name = "h", .type = 'x'},
                 TarBuilder::pax_record("GNU.sparse.size", "2000") + TarBuilder::pax_record("GNU.sparse.numblocks", "2") +
                     TarBuilder::pax_record("GNU.sparse.offset", "100") +
                     TarBuilder::pax_record("GNU.sparse.numbytes", "4") +
                     TarBuilder::pax_record("GNU.sparse.offset", "1000") +
                     TarBuilder::pax_record("GNU.sparse.numbytes", "2"))
          .file("sparse", "aaaabb")
          .end();
  RecordingSink sink;

  const absl::Status status = read_tar(tar, sink, 3);

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(sink.entries.at(0).size, 2000u);
  EXPECT_EQ(sink.contents[0], expanded());
  EXPECT_EQ(sink.all, tar);
}

TEST(Sparse, ReadsPaxFormat01) {
  const std::string tar = TarBuilder()
                              .pax({{"GNU.sparse.size", "2000"},
                                    {"GNU.sparse.numblocks", "2"},
                                    {"GNU.sparse.name", "real/name"},
                                    {"GNU.sparse.map", "100,4,1000,2"}})
                              .file("GNUSparseFile.1/name", "aaaabb")
                              .end();
  RecordingSink sink;

  const absl::Status status = read_tar(tar, sink);

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(sink.entries.at(0).name, "real/name");
  EXPECT_EQ(sink.contents[0], expanded());
}

TEST(Sparse, ReadsPaxFormat10) {
  const std::string tar = TarBuilder()
                              .pax({{"GNU.sparse.major", "1"},
                                    {"GNU.sparse.minor", "0"},
                                    {"GNU.sparse.name", "real/name"},
                                    {"GNU.sparse.realsize", "2000"}})
                              .file("GNUSparseFile.1/name", padded("2\n100\n4\n1000\n2\n") + "aaaabb")
                              .file("after", "x")
                              .end();
  RecordingSink sink;

  const absl::Status status = read_tar(tar, sink, 5);

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(sink.entries.at(0).name, "real/name");
  EXPECT_EQ(sink.contents[0], expanded());
  EXPECT_EQ(sink.contents.at(1), "x");
  EXPECT_EQ(sink.all, tar);
}

TEST(Sparse, ReadsOldGnuSparseFilesWithExtensionBlocks) {
  std::string header = TarBuilder::encode({.name = "sparse", .type = 'S', .size = 6, .dialect = Dialect::kGnu});
  put(header, 386, "00000000144");  // 100
  put(header, 398, "00000000004");
  header[482] = 1;
  put(header, 483, "00000003720");  // 2000
  TarBuilder::sign(header);
  std::string extension = zeros(512);
  put(extension, 0, "00000001750");  // 1000
  put(extension, 12, "00000000002");
  const std::string tar = TarBuilder().raw(header).raw(extension).raw(padded("aaaabb")).file("after", "x").end();
  RecordingSink sink;

  const absl::Status status = read_tar(tar, sink, 100);

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(sink.contents.at(0), expanded());
  EXPECT_EQ(sink.contents.at(1), "x");
}

TEST(Sparse, ReadsAFileThatIsAllHole) {
  const std::string tar = TarBuilder()
                              .pax({{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.realsize", "50"}})
                              .file("hole", padded("0\n"))
                              .end();
  RecordingSink sink;

  const absl::Status status = read_tar(tar, sink);

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(sink.contents.at(0), zeros(50));
}

TEST(Sparse, RefusesMapsThatCannotBe) {
  const std::vector<SparseMap> maps = {
      {{0, 10}, {5, 10}},                 // overlap
      {{90, 20}},                         // past the end
      {{0, 10}},                          // fewer bytes than are there
      {{~0ull, 20}},                      // overflow
      {{0, ~0ull}, {0, 21}},              // overflow in the sum
  };

  for (const SparseMap& map : maps) {
    EXPECT_EQ(check_sparse_map(map, 100, 20).code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_TRUE(check_sparse_map({{10, 0}, {10, 20}, {100, 0}}, 100, 20).ok());
}

TEST(Sparse, RefusesMalformedListsAndMaps) {
  for (const char* list : {"1", "1,", "a,b", "-1,2", "1,2,3"}) {
    EXPECT_EQ(parse_sparse_list(list).status().code(), absl::StatusCode::kDataLoss) << list;
  }
  for (const std::string& map : {padded("x\n"), padded("99999999999\n"), padded("-1\n"), std::string(512, '1')}) {
    SparseMapParser parser;
    EXPECT_EQ(parser.add_block(map).status().code(), absl::StatusCode::kDataLoss);
  }
}

TEST(Sparse, RefusesAMapLongerThanTheData) {
  const std::string tar = TarBuilder()
                              .pax({{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.realsize", "50"}})
                              .file("f", padded("9\n1\n1\n"))
                              .file("after", "x")
                              .end();
  RecordingSink sink;

  EXPECT_EQ(read_tar(tar, sink).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace samara::convert
