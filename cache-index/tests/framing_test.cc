#include "framing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include "base/file.h"
#include "sample_layer.h"

namespace samara::cache_index {
namespace {

using ::testing::ElementsAre;

/// The operations as text, "literal:bytes", "copy:n", "skip:n"; parts of one literal put together again.
std::vector<std::string> read_all(FramingReader& reader) {
  std::vector<std::string> ops;
  while (true) {
    const auto piece = reader.next();
    if (!piece.ok()) {
      ops.push_back(std::string(absl::StatusCodeToString(piece.status().code())));
      return ops;
    }
    if (!piece->has_value()) return ops;
    switch ((*piece)->op) {
      case FramingOp::kLiteral:
        ops.push_back("literal:" + std::string(as_text((*piece)->bytes)));
        break;
      case FramingOp::kCopy:
        ops.push_back("copy:" + std::to_string((*piece)->size));
        break;
      case FramingOp::kSkip:
        ops.push_back("skip:" + std::to_string((*piece)->size));
        break;
    }
  }
}

std::vector<std::string> read_all(std::span<const std::uint8_t> compressed) {
  FramingReader reader;
  reader.set_input(compressed);
  return read_all(reader);
}

std::string compress(std::string_view ops) {
  std::string out(ZSTD_compressBound(ops.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), ops.data(), ops.size(), 1));
  return out;
}

TEST(Framing, GivesItsOperationsBack) {
  FramingWriter writer;
  writer.literal(as_bytes("header"));
  writer.copy(std::uint64_t{1} << 40);
  writer.skip(3);
  writer.copy(1);
  writer.literal(as_bytes("end"));
  writer.finish();

  EXPECT_THAT(read_all(writer.compressed()),
              ElementsAre("literal:header", "copy:1099511627776", "skip:3", "copy:1", "literal:end"));
}

TEST(Framing, IsTheSameHoweverItsOperationsAreSplit) {
  const std::string header = sample_text(1, 300'000);
  FramingWriter whole, split;
  whole.literal(as_bytes(header));
  whole.copy(1000);
  whole.finish();

  for (const char& byte : header) split.literal(as_bytes({&byte, 1}));
  for (int i = 0; i < 1000; ++i) split.copy(1);
  split.finish();

  EXPECT_EQ(as_text(split.compressed()), as_text(whole.compressed()));
}

TEST(Framing, CanBeReadAsFarAsItWasFlushed) {
  FramingWriter writer;
  FramingReader reader;
  writer.literal(as_bytes("one"));
  writer.copy(7);
  writer.flush();
  reader.set_input(writer.compressed());
  const std::vector<std::string> flushed = read_all(reader);
  const bool complete_before = reader.complete();

  writer.literal(as_bytes("two"));
  writer.finish();
  reader.set_input(writer.compressed());

  EXPECT_THAT(flushed, ElementsAre("literal:one", "copy:7"));
  EXPECT_FALSE(complete_before);
  EXPECT_THAT(read_all(reader), ElementsAre("literal:two"));
  EXPECT_TRUE(reader.complete());
}

TEST(Framing, MayBeAskedAnyNumberOfTimesBeforeMoreComes) {
  FramingWriter writer;
  FramingReader reader;
  writer.copy(7);
  writer.flush();
  reader.set_input(writer.compressed());

  EXPECT_THAT(read_all(reader), ElementsAre("copy:7"));
  for (int i = 0; i < 1000; ++i) ASSERT_THAT(read_all(reader), ::testing::IsEmpty());
}

TEST(Framing, OfNothingIsComplete) {
  FramingWriter writer;
  writer.finish();
  FramingReader reader;
  reader.set_input(writer.compressed());

  EXPECT_THAT(read_all(reader), ::testing::IsEmpty());
  EXPECT_TRUE(reader.complete());
}

TEST(Framing, CutShortIsNotComplete) {
  FramingWriter writer;
  writer.literal(as_bytes(sample_text(2, 1000)));
  writer.finish();

  for (std::size_t size = 0; size < writer.compressed().size(); ++size) {
    FramingReader reader;
    reader.set_input(writer.compressed().first(size));
    read_all(reader);
    EXPECT_FALSE(reader.complete()) << size;
  }
}

TEST(Framing, ThatIsNoneIsDataLoss) {
  const std::string too_large = std::string(9, '\xff') + '\x02';
  for (const std::string& hostile :
       {std::string("not zstd at all"), compress("\x03"), compress(std::string_view("\0", 1)), compress(too_large),
        compress(std::string(20, '\xff')), compress("\x05") + "trailing"}) {
    EXPECT_EQ(read_all(as_bytes(hostile)).back(), "DATA_LOSS");
  }
}

TEST(Framing, ThatWantsAHugeWindowIsRefused) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 27);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  std::string out(1000, '\0');
  ZSTD_inBuffer in{"\x05", 1, 0};
  ZSTD_outBuffer into{out.data(), out.size(), 0};
  ZSTD_compressStream2(context, &into, &in, ZSTD_e_flush);
  ZSTD_freeCCtx(context);

  EXPECT_THAT(read_all(as_bytes(out).first(into.pos)), ElementsAre("DATA_LOSS"));
}

}  // namespace
}  // namespace samara::cache_index
