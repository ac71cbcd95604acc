// A layer with a file of many gigabytes, as model weights are: streamed through, flat memory, any range at once.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "base/file.h"
#include "base/text.h"
#include "cache_index/tar_stream.h"
#include "convert/converter.h"
#include "tar_builder.h"

namespace samara::convert {
namespace {

constexpr std::uint64_t kMegabyte = 1u << 20;

/// A file larger than octal digits of a tar header can say, and where its size is said instead.
struct Large {
  const char* name;
  std::uint64_t bytes;
  std::string header;
};

/// The file's bytes: noise that comes again each 48 MiB, so that the blob stays small, but for a number that is
/// another in each MiB of every 16th.
class Weights {
 public:
  Weights() : noise_(kPeriod, '\0') {
    std::uint64_t state = 1;
    for (std::size_t i = 0; i < noise_.size(); i += sizeof state) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      std::memcpy(&noise_[i], &state, sizeof state);
    }
  }

  void fill(std::uint64_t offset, std::span<std::uint8_t> out) const {
    while (!out.empty()) {
      const std::uint64_t in_period = offset % kPeriod;
      const std::size_t size = std::min<std::uint64_t>({out.size(), kPeriod - in_period, kMegabyte - offset % kMegabyte});
      std::memcpy(out.data(), &noise_[in_period], size);
      const std::uint64_t number = offset / kMegabyte;
      if (number % 16 == 0 && offset % kMegabyte == 0 && size >= sizeof number) std::memcpy(out.data(), &number, sizeof number);
      offset += size;
      out = out.subspan(size);
    }
  }

 private:
  static constexpr std::uint64_t kPeriod = 48 * kMegabyte;
  std::string noise_;
};

/// The layer's tar, made while it is read.
class WeightsTar : public ByteStream {
 public:
  WeightsTar(const Weights& weights, const Large& large)
      : weights_(weights),
        file_bytes_(large.bytes),
        head_(TarBuilder().directory("models/").raw(large.header).bytes()),
        tail_(std::string((512 - file_bytes_ % 512) % 512, '\0') + TarBuilder().file("models/after", "the end").end()) {}

  std::uint64_t size() const { return head_.size() + file_bytes_ + tail_.size(); }

  absl::StatusOr<std::size_t> read(std::span<std::uint8_t> out) override {
    const auto copy = [&](std::string_view from, std::uint64_t at) {
      const std::size_t size = std::min<std::uint64_t>(out.size(), from.size() - at);
      std::memcpy(out.data(), &from[at], size);
      return size;
    };
    std::size_t size = 0;
    if (position_ < head_.size()) {
      size = copy(head_, position_);
    } else if (position_ < head_.size() + file_bytes_) {
      const std::uint64_t at = position_ - head_.size();
      // Whole megabytes but at the end, so that each number is written in one piece.
      size = std::min<std::uint64_t>({out.size(), file_bytes_ - at, kMegabyte - at % kMegabyte});
      weights_.fill(at, out.first(size));
    } else if (position_ < this->size()) {
      size = copy(tail_, position_ - head_.size() - file_bytes_);
    }
    position_ += size;
    return size;
  }

 private:
  const Weights& weights_;
  const std::uint64_t file_bytes_;
  const std::string head_, tail_;
  std::uint64_t position_ = 0;
};

/// The most memory that this process has held since reset_peak().
std::uint64_t peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}
void reset_peak() { std::ofstream("/proc/self/clear_refs") << 5; }

Large in_base_256(std::uint64_t bytes) {
  return {"InBase256", bytes,
          TarBuilder().header({.name = "models/weights", .size = bytes, .dialect = TarBuilder::Dialect::kGnu}).bytes()};
}
/// A pax record, which is right whatever the header says.
Large in_a_pax_record(std::uint64_t bytes) {
  return {"InAPaxRecord", bytes,
          TarBuilder().pax({{"size", std::to_string(bytes)}}).header({.name = "models/weights", .size = 0}).bytes()};
}

class LargeFile : public ::testing::TestWithParam<Large> {};

TEST_P(LargeFile, IsConvertedInLittleMemoryAndReadAnywhere) {
  const Weights weights;
  const std::uint64_t file_bytes = GetParam().bytes;
  WeightsTar tar(weights, GetParam());
  const TempDir directory = TempDir::create("large-file").value();
  ThreadPool pool("compress", 2);
  reset_peak();
  const std::uint64_t before = peak_bytes();

  const auto converted = convert_layer(tar, directory.path(), std::nullopt, pool);

  ASSERT_TRUE(converted.ok()) << converted.status();
  EXPECT_LT(peak_bytes() - before, 128 * kMegabyte);
  EXPECT_EQ(converted->written.info.tar_size, tar.size());
  EXPECT_LT(converted->written.index_size, tar.size() / 1000);

  const auto index = cache_index::IndexReader::open(directory.path() + "/index").value();
  const Fd blob = open_file(directory.path() + "/blob", O_RDONLY).value();
  const cache_index::ChunkSource chunks = cache_index::blob_file_source(blob.get());
  const auto models = index->lookup(cache_index::kRootInode, "models").value();
  const auto file = index->inode(index->lookup(models, "weights").value()).value();
  ASSERT_EQ(file.size, file_bytes);
  for (const std::uint64_t offset : {std::uint64_t{0}, 16 * kMegabyte - 3, 4096 * kMegabyte + 7, 8191 * kMegabyte, file_bytes - 1}) {
    SCOPED_TRACE(offset);
    const auto chunk = index->chunk(index->chunk_at(file.data_offset + offset).value()).value();
    const std::string bytes = chunks(chunk).value();
    const std::uint64_t in_file = chunk.stream_offset - file.data_offset;
    std::string expected(std::min<std::uint64_t>(bytes.size(), file_bytes - in_file), '\0');
    weights.fill(in_file, {reinterpret_cast<std::uint8_t*>(expected.data()), expected.size()});
    EXPECT_TRUE(bytes.substr(0, expected.size()) == expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, LargeFile,
                         ::testing::Values(in_base_256((8ull << 30) + 12'345), in_a_pax_record((40ull << 30) + 12'345)),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace samara::convert
