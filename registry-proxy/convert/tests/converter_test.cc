#include "convert/converter.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <random>

#include "base/file.h"
#include "cache_index/hasher.h"
#include "cache_index/tar_stream.h"
#include "memory_stream.h"
#include "tar_builder.h"

namespace samara::convert {
namespace {

using cache_index::IndexReader;
using ::testing::HasSubstr;

std::string noise(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text;
  while (text.size() < size) text += static_cast<char>('a' + random() % 20);
  return text;
}

/// A layer with a bit of everything, about 6 MB.
std::string sample_tar() {
  const std::string sparse_map = "1\n500000\n6\n";
  return TarBuilder()
      .directory("./")
      .directory("./usr/")
      .file("./usr/large", noise(3'000'000, 1))
      .file("./usr/small", "small\n", 04755)
      .pax({{"path", "./usr/" + std::string(180, 'l')}, {"SCHILY.xattr.user.note", "hi"}})
      .file("short", noise(2'000'000, 2))
      .symlink("./bin", "usr/bin")
      .hard_link("./usr/linked", "./usr/large")
      .file("./usr/.wh.gone", "never shown")
      .file("./empty", "")
      .pax({{"GNU.sparse.major", "1"},
            {"GNU.sparse.minor", "0"},
            {"GNU.sparse.realsize", "1000000"},
            {"GNU.sparse.name", "sparse"}})
      .file("GNUSparseFile.1/sparse", sparse_map + std::string(512 - sparse_map.size(), '\0') + "middle")
      .end();
}

class Converter : public ::testing::Test {
 protected:
  struct Result {
    ConvertedLayer layer;
    std::string directory;
  };

  absl::StatusOr<Result> convert(std::string_view bytes, std::optional<Digest> diff_id = std::nullopt,
                                 std::size_t threads = 2, std::size_t step = 10'000) {
    ThreadPool pool("compress", threads);
    const std::string directory = temporary_.path() + "/" + std::to_string(runs_++);
    const absl::Status made = make_directories(directory);
    if (!made.ok()) return made;
    MemoryStream input(bytes, step);
    auto layer = convert_layer(input, directory, diff_id, pool, &progress_);
    if (!layer.ok()) return layer.status();
    return Result{*layer, directory};
  }

  static std::string replay(const Result& result) {
    const auto index = IndexReader::open(result.directory + "/index").value();
    const Fd blob = open_file(result.directory + "/blob", O_RDONLY).value();
    std::string tar;
    const absl::Status status =
        replay_tar(*index, cache_index::blob_file_source(blob.get()), [&](std::span<const std::uint8_t> bytes) {
          tar += as_text(bytes);
          return absl::OkStatus();
        });
    EXPECT_TRUE(status.ok()) << status;
    return tar;
  }

  TempDir temporary_ = TempDir::create("converter").value();
  Progress progress_;
  int runs_ = 0;
};

TEST_F(Converter, GivesBackTheTarByteForByte) {
  const std::string tar = sample_tar() + std::string(8192, '\0') + "trailing bytes";

  const auto result = convert(gzip(tar), cache_index::sha256(as_bytes(tar)));

  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(replay(*result) == tar, true);
  EXPECT_EQ(result->layer.written.info.diff_id, cache_index::sha256(as_bytes(tar)));
  EXPECT_EQ(result->layer.written.info.tar_size, tar.size());
  EXPECT_EQ(progress_.tar_bytes, tar.size());
}

TEST_F(Converter, NamesTheLayerByItsCompressedBytes) {
  const std::string packed = gzip(sample_tar());

  const auto result = convert(packed);

  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->layer.layer, cache_index::sha256(as_bytes(packed)));
  EXPECT_EQ(result->layer.layer_size, packed.size());
  EXPECT_EQ(progress_.compressed_bytes, packed.size());
}

TEST_F(Converter, MakesTheSameOfTheSameTarHoweverItArrives) {
  const std::string tar = sample_tar();

  const auto reference = convert(tar, std::nullopt, 1);
  const auto by_gzip = convert(gzip(tar), std::nullopt, 2, 100);
  const auto by_members = convert(gzip(tar.substr(0, 1'000'001)) + gzip(tar.substr(1'000'001)), std::nullopt, 3);
  const auto by_zstd = convert(zstd(tar, 9), std::nullopt, 4, 1'000'000);

  ASSERT_TRUE(reference.ok()) << reference.status();
  for (const auto* other : {&by_gzip, &by_members, &by_zstd}) {
    ASSERT_TRUE(other->ok()) << other->status();
    EXPECT_EQ((*other)->layer.written.index, reference->layer.written.index);
    EXPECT_EQ((*other)->layer.written.info.blob, reference->layer.written.info.blob);
  }
}

// A change of these means that indexes and blobs made before are no longer made again: a new format version.
TEST_F(Converter, KeepsTheFormatThatItHadBefore) {
  const auto result = convert(sample_tar());

  ASSERT_TRUE(result.ok()) << result.status();
  const std::string index = read_file(result->directory + "/index").value();
  constexpr std::size_t kReleaseOffset = 44;  // cache-index/docs/index-format.md
  if (index.substr(kReleaseOffset, 4) != std::string_view("\x08\x29\0\0", 4)) {
    GTEST_SKIP() << "recorded with libzstd 1.5.4 (10504); another release may compress otherwise";
  }
  EXPECT_EQ(result->layer.written.info.diff_id.to_string(), "sha256:90706022d86bc21f93702e29fad3b81eef4cc2e81892f0018cfa3e8c69c54547");
  EXPECT_EQ(result->layer.written.info.blob.to_string(), "sha256:093c872ed4110900175b41c08981253eddb37892ca1bc8c0972bb1f7878ad92b");
  EXPECT_EQ(result->layer.written.index.to_string(), "sha256:8613ec0685b19db8e37b43abe01372ee9fdfee63b4ee68526271841763f5e985");
}

TEST_F(Converter, ShowsTheTreeInTheIndex) {
  const auto result = convert(gzip(sample_tar()));
  ASSERT_TRUE(result.ok()) << result.status();

  const auto index = IndexReader::open(result->directory + "/index").value();
  const auto usr = index->lookup(cache_index::kRootInode, "usr").value();
  const auto small = index->inode(index->lookup(usr, "small").value()).value();
  const auto sparse = index->inode(index->lookup(cache_index::kRootInode, "sparse").value()).value();
  const auto gone = index->inode(index->lookup(usr, "gone").value()).value();

  EXPECT_EQ(small.mode, S_IFREG | 04755u);
  EXPECT_EQ(small.size, 6u);
  EXPECT_EQ(sparse.size, 1'000'000u);
  EXPECT_EQ(gone.mode, static_cast<std::uint32_t>(S_IFCHR));
  EXPECT_EQ(index->lookup(usr, "linked").value(), index->lookup(usr, "large").value());
  EXPECT_EQ(index->inode(index->lookup(usr, "large").value())->nlink, 2u);
}

TEST_F(Converter, ConvertsAnEmptyLayer) {
  const std::string tar = TarBuilder().end();

  for (const std::string& bytes : {gzip(tar), tar, std::string()}) {
    const auto result = convert(bytes);

    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(replay(*result), bytes.empty() ? "" : tar);
  }
}

TEST_F(Converter, RefusesATarThatIsNotTheOneExpected) {
  const Digest other = cache_index::sha256(as_bytes("another tar"));

  const auto result = convert(gzip(sample_tar()), other);

  EXPECT_EQ(result.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr(other.to_string()));
}

TEST_F(Converter, RefusesDamagedCompression) {
  const std::string packed = gzip(sample_tar());
  std::string flipped = packed;
  flipped[packed.size() / 2] = static_cast<char>(flipped[packed.size() / 2] ^ 1);

  const auto cut = convert(std::string_view(packed).substr(0, packed.size() / 2));
  const auto damaged = convert(flipped);

  EXPECT_EQ(cut.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(cut.status().message()), HasSubstr("gzip: cut short at byte"));
  EXPECT_EQ(damaged.status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(Converter, RefusesATarCutShortAndNamesTheEntry) {
  const auto result = convert(gzip(sample_tar().substr(0, 1'000'000)));

  EXPECT_EQ(result.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("\"./usr/large\""));
}

TEST_F(Converter, RefusesWhatIsNoLayer) {
  const auto result = convert("<html>502 Bad Gateway</html>" + std::string(2000, ' '));

  EXPECT_EQ(result.status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(Converter, SaysWhatItCannotShowLazily) {
  const auto result = convert(gzip(TarBuilder().hard_link("b", "in/a/lower/layer").end()));

  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("in/a/lower/layer"));
}

TEST_F(Converter, SurvivesAFileThatClaimsToBeHuge) {
  const std::string tar =
      TarBuilder().header({.name = "f", .size = 1ull << 39, .dialect = TarBuilder::Dialect::kGnu}).bytes();

  const auto result = convert(tar + "a few bytes");

  EXPECT_EQ(result.status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace samara::convert
