#include "peer/site_protocol.h"

#include <gmock/gmock.h>

namespace samara::peer {
namespace {

using State = LayerStatus::State;
using ::testing::HasSubstr;
using ::testing::Not;

Digest digest(std::uint8_t number) { return Digest::sha256({number}); }

TEST(LayerStatusText, CarriesARecord) {
  LayerStatus status;
  status.state = State::kConverted;
  status.record = {.layer = digest(1), .index = digest(2), .blob = digest(3), .index_size = 4, .blob_size = 5, .layer_size = 6};

  const auto decoded = decode_layer_status(encode(status));

  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->state, State::kConverted);
  EXPECT_EQ(decoded->record.layer, digest(1));
  EXPECT_EQ(decoded->record.index, digest(2));
  EXPECT_EQ(decoded->record.blob, digest(3));
  EXPECT_EQ(decoded->record.index_size, 4u);
  EXPECT_EQ(decoded->record.blob_size, 5u);
  EXPECT_EQ(decoded->record.layer_size, 6u);
}

TEST(LayerStatusText, CarriesProgress) {
  LayerStatus status;
  status.state = State::kConverting;
  status.bytes_done = 10;
  status.bytes_total = 100;

  const auto decoded = decode_layer_status(encode(status));

  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->state, State::kConverting);
  EXPECT_EQ(decoded->bytes_done, 10u);
  EXPECT_EQ(decoded->bytes_total, 100u);
}

TEST(LayerStatusText, KeepsAnErrorOnOneLine) {
  LayerStatus status;
  status.state = State::kFailed;
  status.error = "tar cut short\nstate converted" + std::string(5000, 'x');

  const std::string text = encode(status);
  const auto decoded = decode_layer_status(text);

  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->state, State::kFailed);
  EXPECT_THAT(decoded->error, HasSubstr("tar cut short state converted"));
  EXPECT_LT(text.size(), 2000u);
}

TEST(LayerStatusText, IgnoresUnknownKeys) {
  const auto decoded = decode_layer_status("colour green\nstate unknown\nnonsense\n\n");

  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->state, State::kUnknown);
}

TEST(LayerStatusText, RefusesWhatIsNotOne) {
  LayerStatus huge;
  huge.state = State::kConverted;
  huge.record.index_size = kMaxIndexBytes + 1;
  for (const std::string& text :
       {std::string(), std::string("<html>"), std::string("state happy\n"), std::string("state converted\n"),
        std::string("state converting\nbytes_done -1\nbytes_total 2\n"),
        std::string("state converting\nbytes_done 99999999999999999999\nbytes_total 2\n"), encode(huge),
        std::string(100'000, 'a')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(decode_layer_status(text).status())) << text.substr(0, 80);
  }
}

}  // namespace
}  // namespace samara::peer
