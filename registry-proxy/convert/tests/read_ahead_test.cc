#include "read_ahead.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "memory_stream.h"

namespace samara::convert {
namespace {

ReadAhead::Open opens(std::string_view bytes, absl::Status end = absl::OkStatus()) {
  return [=]() -> absl::StatusOr<std::unique_ptr<ByteStream>> { return std::make_unique<MemoryStream>(bytes, 1000, end); };
}

TEST(ReadAhead, GivesTheBytesInOrderAndThenTheEnd) {
  std::string bytes;
  for (int i = 0; i < 1'000'000; ++i) bytes += static_cast<char>(i * i % 251);
  bytes += bytes + bytes;  // more than all buffers hold
  ReadAhead ahead(opens(bytes));

  std::string out;
  for (auto got = ahead.next(); ; got = ahead.next()) {
    ASSERT_TRUE(got.ok()) << got.status();
    if (got->empty()) break;
    out += as_text(*got);
  }

  EXPECT_EQ(out == bytes, true);
  EXPECT_TRUE(ahead.next()->empty());
}

TEST(ReadAhead, GivesTheErrorAfterTheBytesBeforeIt) {
  const std::string bytes(5000, 'x');
  ReadAhead ahead(opens(bytes, absl::DataLossError("broken")));

  const auto first = ahead.next();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->size(), 5000u);

  EXPECT_EQ(ahead.next().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ahead.next().status().code(), absl::StatusCode::kDataLoss);
}

TEST(ReadAhead, GivesTheErrorOfOpening) {
  ReadAhead ahead([]() -> absl::StatusOr<std::unique_ptr<ByteStream>> { return absl::NotFoundError("gone"); });

  EXPECT_EQ(ahead.next().status().code(), absl::StatusCode::kNotFound);
}

TEST(ReadAhead, StopsWhenNobodyWantsTheRest) {
  const std::string bytes(10 * ReadAhead::kBuffers * ReadAhead::kBufferSize, 'x');
  {
    ReadAhead ahead(opens(bytes));
    ASSERT_TRUE(ahead.next().ok());
  }

  SUCCEED() << "the destructor came back";
}

}  // namespace
}  // namespace samara::convert
