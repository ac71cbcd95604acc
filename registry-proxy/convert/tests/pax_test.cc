#include "pax.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tar_builder.h"

namespace samara::convert {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

std::string record(std::string_view key, std::string_view value) { return TarBuilder::pax_record(key, value); }

TEST(Pax, ReadsRecords) {
  const auto records = parse_pax("12 path=a=b\n" + record("uid", "5") + record("uid", "6"));

  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_THAT(*records, ElementsAre(Pair("path", "a=b"), Pair("uid", "6")));
}

TEST(Pax, RefusesMalformedRecords) {
  for (const std::string& content :
       {std::string("path=x\n"), std::string("99 path=x\n"), std::string("5 path=x\n"), std::string("-1 a=b\n"),
        std::string("6 path\n"), std::string("5 =x\n"), std::string("2 \n"), std::string("1 \n"), std::string("7 a=bcd"),
        record("path", std::string("a\0b", 3)), record(std::string("a\0b", 3), "x"),
        record("GNU.sparse.numbytes", "1"), record("GNU.sparse.offset", "1"),
        std::string("99999999999999999999 a=b\n")}) {
    EXPECT_EQ(parse_pax(content).status().code(), absl::StatusCode::kDataLoss) << content;
  }
}

TEST(Pax, FoldsTheRepeatedKeysOfSparseFormat00) {
  const auto records = parse_pax(record("GNU.sparse.offset", "0") + record("GNU.sparse.numbytes", "10") +
                                 record("GNU.sparse.offset", "100") + record("GNU.sparse.numbytes", "20"));

  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_EQ(records->at("GNU.sparse.map"), "0,10,100,20");
}

TEST(Pax, ReadsTimes) {
  const auto plain = parse_pax_time("17"), fraction = parse_pax_time("17.0625"), fine = parse_pax_time("1.1234567899"),
             negative = parse_pax_time("-1.25");

  ASSERT_TRUE(plain && fraction && fine && negative);
  EXPECT_EQ(plain->seconds, 17);
  EXPECT_EQ(fraction->nanoseconds, 62500000u);
  EXPECT_EQ(fine->nanoseconds, 123456789u);
  EXPECT_EQ(negative->seconds, -2);
  EXPECT_EQ(negative->nanoseconds, 750000000u);
}

TEST(Pax, RefusesWhatIsNoTime) {
  for (const char* text : {"", ".5", "1.x", "1e5", "99999999999999999999", "-9223372036854775808.5", " 1"}) {
    EXPECT_FALSE(parse_pax_time(text)) << text;
  }
}

TEST(Pax, PrefersRawAttributesToEncodedOnes) {
  const auto records = parse_pax(record("LIBARCHIVE.xattr.user.a%3db", "aGk=") + record("LIBARCHIVE.xattr.user.c", "aGk=") +
                                 record("SCHILY.xattr.user.c", "raw"));
  ASSERT_TRUE(records.ok()) << records.status();

  const auto xattrs = pax_xattrs(*records);

  ASSERT_TRUE(xattrs.ok()) << xattrs.status();
  EXPECT_THAT(*xattrs, ElementsAre(Pair("user.a=b", "hi"), Pair("user.c", "raw")));
}

TEST(Pax, RefusesAttributesThatAreNotBase64) {
  EXPECT_EQ(pax_xattrs({{"LIBARCHIVE.xattr.user.a", "***"}}).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace samara::convert
