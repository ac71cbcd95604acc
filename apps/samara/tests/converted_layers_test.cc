#include "converted_layers.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "conversion.h"
#include "dedup_report.h"
#include "tar_builder.h"
#include "tar_export.h"

namespace samara::cli {
namespace {

using ::testing::HasSubstr;

/// Incompressible, the same for the same seed.
std::string noise(unsigned seed, std::size_t size) {
  std::string text;
  for (std::uint64_t state = seed; text.size() < size;) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    text += static_cast<char>(state >> 56);
  }
  return text;
}

class ConvertedLayers : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return temporary_.path() + "/" + name; }

  /// Converts a tar; its files.
  ConvertedFiles convert(const std::string& name, const std::string& tar) {
    EXPECT_TRUE(write_file_atomic(path(name), tar).ok());
    auto jobs = find_layers(path(name), "").value();
    auto output = OutputDirectory::create(path("converted")).value();
    ThreadPool pool("compress", 1);
    convert::Progress progress;
    const auto result = output.convert(jobs.front(), pool, progress);
    EXPECT_TRUE(result.ok()) << result.status();
    return {result->directory, result->directory + "/index", result->directory + "/blob"};
  }

  void flip_byte(const std::string& file, std::uint64_t at) const {
    std::string bytes = read_file(file).value();
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    ASSERT_TRUE(write_file_atomic(file, bytes).ok());
  }

  TempDir temporary_ = TempDir::create("converted-layers").value();
  const std::string tar_ = convert::TarBuilder()
                               .directory("etc/")
                               .file("etc/large", noise(1, 700'000))
                               .file("etc/small", "small")
                               .end() +
                           "behind the end";
};

TEST_F(ConvertedLayers, AreFoundAloneOrInADirectoryOfThem) {
  const ConvertedFiles a = convert("a", tar_), b = convert("b", convert::TarBuilder().file("x", "y").end());

  EXPECT_EQ(find_converted({a.name})->size(), 1u);
  EXPECT_EQ(find_converted({path("converted")})->size(), 2u);
  EXPECT_EQ(find_converted({b.index, b.blob})->front().blob, b.blob);
  EXPECT_EQ(find_converted({temporary_.path()}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ConvertedLayers, GiveTheirTarBackToAFile) {
  const OpenLayer layer = open_converted(convert("layer", tar_)).value();

  const absl::Status status = export_tar_file(*layer.index, layer.chunks(), path("out.tar"));

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(read_file(path("out.tar")).value() == tar_);
  EXPECT_FALSE(std::filesystem::exists(path("out.tar.partial")));
}

TEST_F(ConvertedLayers, GiveTheirTarBackToAPipe) {
  const OpenLayer layer = open_converted(convert("layer", tar_)).value();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  std::string received;
  std::thread reader([&] {
    char buffer[5000];
    for (ssize_t got; (got = ::read(read_end.get(), buffer, sizeof buffer)) > 0;) received.append(buffer, static_cast<std::size_t>(got));
  });

  const absl::Status status = export_tar(*layer.index, layer.chunks(), write_end.get());
  write_end.reset();
  reader.join();

  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(received == tar_);
}

TEST_F(ConvertedLayers, LeaveNoTarBehindWhenAChunkIsDamaged) {
  const ConvertedFiles files = convert("layer", tar_);
  flip_byte(files.blob, 300'000);
  const OpenLayer layer = open_converted(files).value();

  const absl::Status status = export_tar_file(*layer.index, layer.chunks(), path("out.tar"));

  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("blob bytes"));
  EXPECT_FALSE(std::filesystem::exists(path("out.tar")));
  EXPECT_FALSE(std::filesystem::exists(path("out.tar.partial")));
}

TEST_F(ConvertedLayers, AreRefusedWithABlobThatIsTooShort) {
  const ConvertedFiles files = convert("layer", tar_);
  std::filesystem::resize_file(files.blob, 10);

  EXPECT_EQ(open_converted(files).status().code(), absl::StatusCode::kDataLoss);
}

class Dedup : public ConvertedLayers {
 protected:
  /// An image of one layer with these big files.
  void add(const std::string& name, const std::vector<unsigned>& seeds, std::uint64_t layer_bytes) {
    convert::TarBuilder tar;
    for (const unsigned seed : seeds) tar.file(str(seed), noise(seed, 300'000));
    const OpenLayer layer = open_converted(convert(name, tar.end())).value();
    report_.begin_image(name);
    ASSERT_TRUE(report_.add_layer(layer.index->info().diff_id, layer_bytes, *layer.index, kIndexBytes).ok());
  }
  static std::string str(unsigned seed) { return std::to_string(seed); }

  static constexpr std::uint64_t kIndexBytes = 1000;
  DedupReport report_;
};

TEST_F(Dedup, CountsOnlyWhatAnImageAdds) {
  add("first", {1, 2, 3}, 900'000);
  add("second", {1, 2, 4}, 900'000);

  const auto& second = report_.images()[1];
  EXPECT_GT(second.alone_bytes, 900'000u);
  EXPECT_GT(second.added_bytes, 300'000u);
  EXPECT_LT(second.added_bytes, 310'000u);
  EXPECT_EQ(second.added_layer_bytes, 900'000u);
  EXPECT_EQ(report_.total().added_bytes, report_.images()[0].added_bytes + second.added_bytes);
}

TEST_F(Dedup, CountsALayerThatIsThereAsNothing) {
  add("first", {1, 2}, 600'000);
  add("again", {1, 2}, 600'000);

  const auto& again = report_.images()[1];
  EXPECT_EQ(again.layers, 1u);
  EXPECT_EQ(again.added_layers, 0u);
  EXPECT_EQ(again.added_bytes, 0u);
  EXPECT_EQ(again.added_layer_bytes, 0u);
  EXPECT_EQ(report_.total().added_layer_bytes, 600'000u);
}

}  // namespace
}  // namespace samara::cli
