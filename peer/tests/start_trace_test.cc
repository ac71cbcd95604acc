#include "peer/start_trace.h"

#include <gmock/gmock.h>

#include <limits>

#include "base/text.h"

namespace samara::peer {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Chunk = StartTrace::Chunk;

const Digest kLower = Digest::sha256({1}), kUpper = Digest::sha256({2});

StartTrace start(std::vector<Chunk> read, std::set<Chunk> unused = {}) {
  return {.starts = 1, .layers = {kLower, kUpper}, .chunks = std::move(read), .unused = std::move(unused), .image = ""};
}

TEST(StartTraceMerge, PutsFirstWhatWasReadFirst) {
  StartTrace trace = start({{kUpper, 7}, {kLower, 1}});

  merge(trace, start({{kLower, 1}, {kUpper, 2}, {kUpper, 7}}));

  EXPECT_THAT(trace.chunks, ElementsAre(Chunk{kUpper, 7}, Chunk{kLower, 1}, Chunk{kUpper, 2}));
  EXPECT_EQ(trace.starts, 2u);
}

TEST(StartTraceMerge, DropsWhatTwoStartsHadFetchedForNothing) {
  StartTrace trace = start({{kLower, 1}, {kLower, 2}});

  merge(trace, start({{kLower, 2}}, {{kLower, 1}}));
  EXPECT_THAT(trace.chunks, SizeIs(2));
  merge(trace, start({{kLower, 2}}, {{kLower, 1}}));

  EXPECT_THAT(trace.chunks, ElementsAre(Chunk{kLower, 2}));
  EXPECT_THAT(trace.unused, IsEmpty());
}

TEST(StartTraceMerge, KeepsWhatWasReadInBetween) {
  StartTrace trace = start({{kLower, 1}});

  merge(trace, start({}, {{kLower, 1}}));
  merge(trace, start({{kLower, 1}}));
  merge(trace, start({}, {{kLower, 1}}));

  EXPECT_THAT(trace.chunks, ElementsAre(Chunk{kLower, 1}));
}

TEST(StartTraceMerge, KeepsWhatWasNotReadBecauseItWasHere) {
  StartTrace trace = start({{kLower, 1}});

  for (int i = 0; i < 3; ++i) merge(trace, start({}));

  EXPECT_THAT(trace.chunks, ElementsAre(Chunk{kLower, 1}));
}

TEST(StartTraceMerge, AddsFilesOnce) {
  StartTrace trace = start({}), other = start({});
  trace.files = {{kUpper, 9}, {kLower, 1}};
  other.files = {{kLower, 1}, {kLower, 2}};

  merge(trace, other);

  EXPECT_THAT(trace.files, ElementsAre(Chunk{kUpper, 9}, Chunk{kLower, 1}, Chunk{kLower, 2}));
}

TEST(StartTraceMerge, IsBounded) {
  StartTrace trace;
  std::vector<Chunk> many;
  for (std::uint32_t i = 0; i < 2 * kMaxTraceChunks; ++i) many.emplace_back(kLower, i);

  merge(trace, start(many));
  merge(trace, start({{kUpper, 1}}));

  EXPECT_THAT(trace.chunks, SizeIs(kMaxTraceChunks));
  EXPECT_EQ(trace.chunks.front(), (Chunk{kLower, 0}));
}

TEST(StartTraceText, ComesBack) {
  StartTrace trace = start({{kUpper, 5}, {kUpper, 6}, {kUpper, 7}, {kLower, 0}, {kUpper, 9}}, {{kLower, 0}});
  trace.starts = 3;
  trace.files = {{kUpper, 12}, {kLower, 3}, {kLower, 4}};
  trace.image = "docker.io/library/python:3\nstarts 9";

  const std::string text = encode(trace);
  const auto decoded = decode_start_trace(text);

  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_THAT(text, testing::HasSubstr("\nread 1:5-7,0:0,1:9\n"));
  EXPECT_EQ(decoded->starts, 3u);
  EXPECT_EQ(decoded->layers, trace.layers);
  EXPECT_EQ(decoded->chunks, trace.chunks);
  EXPECT_EQ(decoded->unused, trace.unused);
  EXPECT_EQ(decoded->files, trace.files);
  EXPECT_EQ(decoded->image, "docker.io/library/python:3 starts 9");
}

TEST(StartTraceText, KeepsItsOrderWhereItIsCut) {
  std::vector<Chunk> scattered;
  for (std::uint32_t i = 0; i < kMaxTraceChunks; ++i) scattered.emplace_back(kLower, 4'000'000'000 - 1000 * i);

  const std::string text = encode(start(scattered));
  const auto decoded = decode_start_trace(text);

  EXPECT_LE(text.size(), kMaxTraceBytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_GT(decoded->chunks.size(), 3000u);
  EXPECT_EQ(decoded->chunks.back(), scattered[decoded->chunks.size() - 1]);
}

TEST(StartTraceText, EncodesTheLastNumberThereIs) {
  constexpr std::uint32_t last = std::numeric_limits<std::uint32_t>::max();

  const auto decoded = decode_start_trace(encode(start({{kLower, last - 1}, {kLower, last}})));

  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_THAT(decoded->chunks, ElementsAre(Chunk{kLower, last - 1}, Chunk{kLower, last}));
}

TEST(StartTraceText, RefusesWhatIsNone) {
  const std::string layers = str_cat("starts 1\nlayers ", kLower.to_string(), "\n");
  for (const std::string& text : {std::string(), std::string("starts x\n"), std::string("starts 1\nlayers sha256:12\n"),
                                  layers + "read 1:0\n", layers + "read 0\n", layers + "read 0:5-4\n",
                                  layers + "read 0:1-\n", layers + "read 0:1x\n", layers + "read 0:-1\n",
                                  layers + "read 0:0-4294967295\n", layers + "read 0:99999999999\n",
                                  layers + "unused 7:1\n", std::string(kMaxTraceBytes + 1, 'a')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(decode_start_trace(text).status())) << text.substr(0, 200);
  }
}

TEST(StartTraceText, CountsAChunkOnce) {
  const std::string layers = kLower.to_string();
  const auto decoded = from_query([&](std::string_view key) -> std::string_view {
    if (key == "layers") return layers;
    return key == "read" ? "0:1,0:1-3,0:2" : key == "files" ? "0:7,0:7" : "";
  });

  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_THAT(decoded->chunks, ElementsAre(Chunk{kLower, 1}, Chunk{kLower, 2}, Chunk{kLower, 3}));
  EXPECT_THAT(decoded->files, ElementsAre(StartTrace::File{kLower, 7}));
  EXPECT_EQ(decoded->starts, 1u);
}

TEST(ChainId, IsThatOfTheWholeStack) {
  EXPECT_EQ(chain_id({kLower}), kLower);
  EXPECT_EQ(chain_id({kLower, kUpper}), chain_id(kLower, kUpper));
}

}  // namespace
}  // namespace samara::peer
