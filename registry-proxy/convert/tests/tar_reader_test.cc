#include "tar_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recording_sink.h"
#include "tar_builder.h"

namespace samara::convert {
namespace {

using ::testing::HasSubstr;
using Dialect = TarBuilder::Dialect;

TEST(TarReader, ReadsAFileWithItsAttributes) {
  RecordingSink sink;
  const std::string tar = TarBuilder()
                              .entry({.name = "etc/motd", .mode = 04755, .uid = 1000, .gid = 50, .mtime = 1234567890},
                                     "hello")
                              .end();

  const absl::Status status = read_tar(tar, sink);

  ASSERT_TRUE(status.ok()) << status;
  ASSERT_EQ(sink.entries.size(), 1u);
  const TarEntry& entry = sink.entries[0];
  EXPECT_EQ(entry.type, EntryType::kFile);
  EXPECT_EQ(entry.name, "etc/motd");
  EXPECT_EQ(entry.mode, 04755u);
  EXPECT_EQ(entry.uid, 1000);
  EXPECT_EQ(entry.gid, 50);
  EXPECT_EQ(entry.mtime_sec, 1234567890);
  EXPECT_EQ(entry.size, 5u);
  EXPECT_EQ(sink.contents[0], "hello");
}

TEST(TarReader, HandsOutEveryByteInOrderHoweverItIsPushed) {
  const std::string tar = TarBuilder()
                              .directory("a/")
                              .pax({{"path", "a/long"}, {"mtime", "1.5"}})
                              .file("x", std::string(1300, 'x'))
                              .gnu_long('L', std::string(300, 'n'))
                              .file("short", "y")
                              .end() +
                          "what follows the end";

  for (const std::size_t step : {1u, 7u, 511u, 512u, 513u, 100000u}) {
    RecordingSink sink;

    const absl::Status status = read_tar(tar, sink, step);

    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(sink.all, tar) << "in steps of " << step;
    EXPECT_EQ(sink.framing_bytes, tar.size() - 1301) << "in steps of " << step;
    ASSERT_EQ(sink.entries.size(), 3u);
    EXPECT_EQ(sink.entries[1].name, "a/long");
    EXPECT_EQ(sink.entries[2].name, std::string(300, 'n'));
  }
}

TEST(TarReader, GivesUnwantedDataAsFraming) {
  RecordingSink sink;
  sink.keep = false;
  const std::string tar = TarBuilder().file("f", std::string(700, 'x')).end();

  const absl::Status status = read_tar(tar, sink);

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(sink.framing_bytes, tar.size());
  EXPECT_EQ(sink.all, tar);
}

TEST(TarReader, JoinsUstarsPrefix) {
  RecordingSink sink;
  const std::string tar = TarBuilder().header({.name = "file", .prefix = "some/deep/directory"}).end();

  ASSERT_TRUE(read_tar(tar, sink).ok());

  EXPECT_EQ(sink.entries.at(0).name, "some/deep/directory/file");
}

TEST(TarReader, TakesATrailingSlashForADirectoryInV7) {
  RecordingSink sink;
  const std::string tar = TarBuilder()
                              .header({.name = "old/", .type = '\0', .dialect = Dialect::kV7})
                              .header({.name = "old/file", .type = '\0', .dialect = Dialect::kV7})
                              .end();

  ASSERT_TRUE(read_tar(tar, sink).ok());

  EXPECT_EQ(sink.entries.at(0).type, EntryType::kDirectory);
  EXPECT_EQ(sink.entries.at(1).type, EntryType::kFile);
}

TEST(TarReader, ReadsBase256Numbers) {
  RecordingSink sink;
  const std::string tar =
      TarBuilder().header({.name = "f", .uid = 3000000000, .mtime = -5, .dialect = Dialect::kGnu}).end();

  ASSERT_TRUE(read_tar(tar, sink).ok());

  EXPECT_EQ(sink.entries.at(0).uid, 3000000000);
  EXPECT_EQ(sink.entries.at(0).mtime_sec, -5);
}

TEST(TarReader, LetsPaxOverrideTheHeader) {
  RecordingSink sink;
  const std::string tar = TarBuilder()
                              .pax({{"path", "caf\xc3\xa9"},
                                    {"size", "3"},
                                    {"uid", "70000000"},
                                    {"gid", "70000001"},
                                    {"mtime", "1700000000.123456789"},
                                    {"SCHILY.xattr.user.note", std::string("a\0b", 3)}})
                              .header({.name = "cafe"})
                              .raw("abc" + std::string(509, '\0'))
                              .file("after", "")
                              .end();

  const absl::Status status = read_tar(tar, sink);

  ASSERT_TRUE(status.ok()) << status;
  const TarEntry& entry = sink.entries.at(0);
  EXPECT_EQ(entry.name, "caf\xc3\xa9");
  EXPECT_EQ(entry.uid, 70000000);
  EXPECT_EQ(entry.gid, 70000001);
  EXPECT_EQ(entry.mtime_sec, 1700000000);
  EXPECT_EQ(entry.mtime_nsec, 123456789u);
  EXPECT_EQ(entry.xattrs.at("user.note"), std::string("a\0b", 3));
  EXPECT_EQ(sink.contents[0], "abc");
  EXPECT_EQ(sink.entries.at(1).name, "after");
  EXPECT_TRUE(sink.entries[1].xattrs.empty());
}

TEST(TarReader, TakesGlobalHeadersForEntriesThatSetNothing) {
  RecordingSink sink;
  const std::string tar = TarBuilder().pax({{"uid", "7"}, {"path", "d/g"}}, 'g').file("f", "").end();

  ASSERT_TRUE(read_tar(tar, sink).ok());

  ASSERT_EQ(sink.entries.size(), 2u);
  EXPECT_EQ(sink.entries[0].type, EntryType::kGlobalHeader);
  EXPECT_EQ(sink.entries[0].name, "d/g");
  EXPECT_EQ(sink.entries[1].name, "f");
  EXPECT_EQ(sink.entries[1].uid, 0);
}

TEST(TarReader, ReadsGnuLongNamesAndLinkTargets) {
  RecordingSink sink;
  const std::string name(400, 'n'), target(300, 't');
  const std::string tar =
      TarBuilder()
          .gnu_long('K', target)
          .gnu_long('L', name)
          .header({.name = "n", .type = '2', .link_target = "t", .dialect = Dialect::kGnu})
          .end();

  ASSERT_TRUE(read_tar(tar, sink).ok());

  EXPECT_EQ(sink.entries.at(0).name, name);
  EXPECT_EQ(sink.entries[0].link_target, target);
  EXPECT_EQ(sink.entries[0].type, EntryType::kSymlink);
}

TEST(TarReader, IgnoresTheSizeOfEntriesThatHaveNoData) {
  RecordingSink sink;
  const std::string tar = TarBuilder()
                              .header({.name = "d/", .type = '5', .size = 4096})
                              .header({.name = "l", .type = '1', .size = 10, .link_target = "f"})
                              .file("f", "x")
                              .end();

  ASSERT_TRUE(read_tar(tar, sink).ok());

  EXPECT_EQ(sink.entries.size(), 3u);
}

TEST(TarReader, ReadsDevicesAndFifos) {
  RecordingSink sink;
  const std::string tar =
      TarBuilder().device("null", '3', 1, 3).device("sda", '4', 8, 0).device("pipe", '6', 0, 0).end();

  ASSERT_TRUE(read_tar(tar, sink).ok());

  EXPECT_EQ(sink.entries.at(0).type, EntryType::kCharDevice);
  EXPECT_EQ(sink.entries[0].device_major, 1);
  EXPECT_EQ(sink.entries[0].device_minor, 3);
  EXPECT_EQ(sink.entries.at(1).type, EntryType::kBlockDevice);
  EXPECT_EQ(sink.entries.at(2).type, EntryType::kFifo);
}

TEST(TarReader, EndsAlsoWithoutZeroBlocksAndWithOne) {
  TarBuilder builder;
  builder.file("f", "x");

  for (const std::string& tar : {std::string(), builder.bytes(), builder.bytes() + std::string(512, '\0'),
                                 builder.bytes().substr(0, 513)}) {
    RecordingSink sink;
    const absl::Status status = read_tar(tar, sink);
    EXPECT_TRUE(status.ok()) << status << " for " << tar.size() << " bytes";
  }
}

TEST(TarReader, NamesTheEntryThatIsCutShort) {
  const std::string tar = TarBuilder().file("first", "x").file("second", std::string(2000, 'y')).bytes();
  RecordingSink sink;

  const absl::Status status = read_tar(std::string_view(tar).substr(0, 2000), sink);

  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"second\" at byte 1024: cut short"));
}

TEST(TarReader, RefusesAHeaderCutShort) {
  RecordingSink sink;

  const absl::Status status = read_tar(TarBuilder().file("f", "x").bytes() + "half a header", sink);

  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("at byte 1024: cut short"));
}

TEST(TarReader, RefusesAWrongChecksum) {
  std::string tar = TarBuilder().file("f", "x").end();
  tar[0] = 'g';
  RecordingSink sink;

  const absl::Status status = read_tar(tar, sink);

  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("checksum"));
}

TEST(TarReader, RefusesWhatIsNoTar) {
  RecordingSink sink;

  const absl::Status status = read_tar(std::string(5000, 'q'), sink);

  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
}

TEST(TarReader, RefusesFieldsThatAreNoNumbers) {
  for (const std::size_t field : {100u, 108u, 116u, 124u, 136u, 329u}) {
    std::string header = TarBuilder::encode({.name = "f"});
    header[field] = 'z';
    TarBuilder::sign(header);
    RecordingSink sink;

    const absl::Status status = read_tar(header + std::string(1024, '\0'), sink);

    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << "field at " << field;
  }
}

TEST(TarReader, RefusesSizesThatCannotBe) {
  std::string negative = TarBuilder::encode({.name = "f", .dialect = Dialect::kGnu});
  for (std::size_t i = 124; i < 136; ++i) negative[i] = '\xff';
  TarBuilder::sign(negative);
  std::string overflowing = TarBuilder::encode({.name = "f", .dialect = Dialect::kGnu});
  for (std::size_t i = 124; i < 136; ++i) overflowing[i] = '\x9f';
  TarBuilder::sign(overflowing);

  for (const std::string& header : {negative, overflowing}) {
    RecordingSink sink;
    EXPECT_EQ(read_tar(header, sink).code(), absl::StatusCode::kDataLoss);
  }
}

TEST(TarReader, RefusesDataAfterASingleZeroBlock) {
  RecordingSink sink;

  const absl::Status status = read_tar(std::string(512, '\0') + TarBuilder().file("f", "x").end(), sink);

  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
}

TEST(TarReader, RefusesUnknownTypesByName) {
  RecordingSink sink;

  const absl::Status status = read_tar(TarBuilder().header({.name = "volume", .type = 'V'}).end(), sink);

  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"volume\""));
}

TEST(TarReader, BoundsExtendedHeaders) {
  const std::vector<std::string> tars = {
      TarBuilder().header({.name = "x", .type = 'x', .size = 1ull << 30}).bytes(),
      TarBuilder().header({.name = "x", .type = 'L', .size = 1u << 20, .dialect = Dialect::kGnu}).bytes(),
      TarBuilder().pax({{"path", std::string(5000, 'p')}}).file("f", "").end(),
  };

  for (const std::string& tar : tars) {
    RecordingSink sink;
    EXPECT_EQ(read_tar(tar, sink).code(), absl::StatusCode::kDataLoss);
  }
}

TEST(TarReader, StaysFailed) {
  RecordingSink sink;
  TarReader reader(sink);
  ASSERT_FALSE(reader.push(as_bytes(std::string(512, 'q'))).ok());

  const absl::Status later = reader.push(as_bytes(TarBuilder().file("f", "x").end()));

  EXPECT_EQ(later.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(reader.finish().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(sink.entries.empty());
}

TEST(TarReader, EscapesNamesInMessages) {
  RecordingSink sink;

  const absl::Status status =
      read_tar(TarBuilder().header({.name = "a\nforged=line\x1b[31m", .type = 'V'}).end(), sink);

  EXPECT_EQ(std::string(status.message()).find('\n'), std::string::npos);
  EXPECT_EQ(std::string(status.message()).find('\x1b'), std::string::npos);
}

TEST(TarReader, FindsThePrefixThatOldGoWroteInGnuHeaders) {
  std::string header = TarBuilder::encode({.name = "file", .dialect = Dialect::kGnu});
  header.replace(345, 9, "deep/path");
  TarBuilder::sign(header);
  RecordingSink sink;

  ASSERT_TRUE(read_tar(header + std::string(1024, '\0'), sink).ok());

  EXPECT_EQ(sink.entries.at(0).name, "deep/path/file");
}

}  // namespace
}  // namespace samara::convert
