#include "decompress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include <random>

#include "base/file.h"
#include "base/text.h"
#include "memory_stream.h"
#include "tar_builder.h"

namespace samara::convert {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<std::string> unpack(std::string_view bytes, std::size_t step = 4096, std::size_t out_step = 10000) {
  MemoryStream input(bytes, step);
  auto stream = decompress(input);
  if (!stream.ok()) return stream.status();
  std::string out;
  std::vector<std::uint8_t> buffer(out_step);
  while (true) {
    const auto got = (*stream)->read(buffer);
    if (!got.ok()) return got.status();
    if (*got == 0) return out;
    out += as_text(std::span(buffer).first(*got));
  }
}

/// Half text, half noise: what compresses and what doesn't.
std::string sample(std::size_t size) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < size) {
    str_append(&text, "line ", random() % 100, "\n");
    if (random() % 50 == 0) {
      for (int i = 0; i < 500; ++i) text += static_cast<char>(random());
    }
  }
  return text;
}

TEST(Decompress, TellsFormatsByTheirFirstBytes) {
  EXPECT_EQ(sniff(as_bytes(gzip("x"))), Compression::kGzip);
  EXPECT_EQ(sniff(as_bytes(zstd("x"))), Compression::kZstd);
  EXPECT_EQ(sniff(as_bytes(std::string_view("\x5a\x2a\x4d\x18\0\0\0\0", 8))), Compression::kZstd);
  EXPECT_EQ(sniff(as_bytes("plain text")), Compression::kNone);
  EXPECT_EQ(sniff({}), Compression::kNone);
}

TEST(Decompress, GivesBackWhatWasPacked) {
  const std::string text = sample(150'000);

  for (const std::string& packed : {gzip(text), gzip(text, 1), gzip(text, 0), gzip(text, 9, true), zstd(text), zstd(text, 19), text}) {
    for (const std::size_t step : {3u, 100'000u}) {
      const auto unpacked = unpack(packed, step);

      ASSERT_TRUE(unpacked.ok()) << unpacked.status();
      EXPECT_EQ(*unpacked == text, true) << packed.size() << " bytes in steps of " << step;
    }
  }
}

TEST(Decompress, ReadsAHeaderThatArrivesByteByByte) {
  const std::string text = sample(3000);

  EXPECT_EQ(unpack(gzip(text, 6, true), 1).value(), text);
  EXPECT_EQ(unpack(zstd(text), 1).value(), text);
}

TEST(Decompress, ReadsNothingAsNothing) {
  const auto unpacked = unpack("");

  ASSERT_TRUE(unpacked.ok()) << unpacked.status();
  EXPECT_EQ(*unpacked, "");
}

TEST(Decompress, JoinsMembersAndFrames) {
  const std::string skippable("\x50\x2a\x4d\x18\x03\0\0\0abc", 11);
  const std::string text = sample(5000);

  EXPECT_EQ(unpack(gzip("one ") + gzip("two ") + gzip(text) + gzip("")).value(), "one two " + text);
  EXPECT_EQ(unpack(gzip("one ", 6, true) + gzip("two", 6, true), 1, 1).value(), "one two");
  EXPECT_EQ(unpack(skippable + zstd("one ") + skippable + zstd("two ") + zstd(text) + skippable).value(), "one two " + text);
}

TEST(Decompress, AcceptsZeroPaddingAfterGzipAndNothingElse) {
  EXPECT_EQ(unpack(gzip("text") + std::string(1000, '\0'), 100).value(), "text");

  for (const std::string& tail : {std::string("garbage"), std::string(10, '\0') + "x", std::string("\x1f"), std::string(3, '\0') + gzip("more")}) {
    const auto unpacked = unpack(gzip("text") + tail);
    EXPECT_EQ(unpacked.status().code(), absl::StatusCode::kDataLoss) << tail;
  }
}

TEST(Decompress, RefusesBytesAfterZstd) {
  EXPECT_EQ(unpack(zstd("text") + "garbage").status().code(), absl::StatusCode::kDataLoss);
}

TEST(Decompress, SaysWhereItWasCutShort) {
  const std::string text = sample(300'000);

  for (const std::string& packed : {gzip(text), zstd(text)}) {
    for (const std::size_t size : {std::size_t{9}, packed.size() / 2, packed.size() - 1}) {
      const auto unpacked = unpack(std::string_view(packed).substr(0, size));

      EXPECT_EQ(unpacked.status().code(), absl::StatusCode::kDataLoss) << size;
      EXPECT_THAT(std::string(unpacked.status().message()), HasSubstr(str_cat("cut short at byte ", size)));
    }
  }
}

TEST(Decompress, NoticesEveryFlippedByte) {
  const std::string text = sample(2000);

  // gzip: the header's MTIME, XFL and OS (bytes 4 to 9) mean nothing. zstd: everything counts.
  for (const auto& [packed, from] : {std::pair(gzip(text), 10u), std::pair(zstd(text), 0u)}) {
    int unnoticed = 0;
    for (std::size_t i = from; i < packed.size(); ++i) {
      std::string damaged = packed;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
      const auto unpacked = unpack(damaged);
      unnoticed += unpacked.ok() && *unpacked != text && sniff(as_bytes(damaged)) != Compression::kNone;
    }
    EXPECT_EQ(unnoticed, 0);
  }
}

TEST(Decompress, RefusesWindowsAboveTheLimit) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 28);
  const std::string text = sample(300'000);
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  ZSTD_inBuffer in{text.data(), text.size(), 0};
  ZSTD_outBuffer out{packed.data(), packed.size(), 0};
  ZSTD_compressStream2(context, &out, &in, ZSTD_e_continue);  // so that the size isn't known, and the window counts
  ZSTD_compressStream2(context, &out, &in, ZSTD_e_end);
  ZSTD_freeCCtx(context);

  const auto unpacked = unpack(std::string_view(packed).substr(0, out.pos));

  EXPECT_EQ(unpacked.status().code(), absl::StatusCode::kUnimplemented);
}

TEST(Decompress, PassesOnTheErrorsOfItsInput) {
  for (const std::string& packed : {gzip(sample(50'000)), zstd(sample(50'000)), sample(50'000)}) {
    MemoryStream input(std::string_view(packed).substr(0, packed.size() / 2), 1000, absl::UnavailableError("link down"));
    auto stream = decompress(input);
    ASSERT_TRUE(stream.ok()) << stream.status();

    std::vector<std::uint8_t> buffer(1 << 20);
    absl::StatusOr<std::size_t> got = 1;
    while (got.ok() && *got > 0) got = (*stream)->read(buffer);

    EXPECT_EQ(got.status().code(), absl::StatusCode::kUnavailable);
  }
}

}  // namespace
}  // namespace samara::convert
