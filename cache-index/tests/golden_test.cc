// Two machines must convert a layer to the same bytes. When one of these digests changes, the format changed, and its
// version must too.
#include "base/text.h"
#include "frame_content.h"
#include "layer_fixture.h"

namespace samara::cache_index {
namespace {

using Entries = std::vector<SampleEntry>;

Entries tiny_files() {
  Entries entries;
  for (int i = 0; i < 3000; ++i) {
    entries.push_back({.path = str_cat("d", i % 50, "/f", i),
                       .content = sample_text(static_cast<std::uint64_t>(i), static_cast<std::size_t>(i % 3001))});
  }
  return entries;
}

Entries large_files() {
  return {{.path = "text", .content = sample_text(1, 6'000'000)},
          {.path = "bytes", .content = sample_bytes(2, 5'000'001)},
          {.path = "between", .content = sample_text(3, 100)},
          {.path = "exactly one chunk", .content = sample_bytes(4, 262'144)}};
}

Entries repeated_files() {
  Entries entries;
  for (int i = 0; i < 8; ++i) {
    entries.push_back({.path = str_cat("copy", i), .content = sample_text(7, 700'000)});
    entries.push_back({.path = str_cat("small", i), .content = sample_text(8, 5000)});
  }
  return entries;
}

Entries sparse_files() {
  return {{.path = "all hole", .hole = 40'000'000},
          {.path = "half", .content = sample_text(9, 300'000), .hole = 3'000'000},
          {.path = "after", .content = sample_bytes(10, 70'000)}};
}

Entries every_type() {
  return {{.path = "", .mode = S_IFDIR | 0755},
          {.path = "etc", .mode = S_IFDIR | 02775, .gid = 42, .mtime_nsec = 123'456'789},
          {.path = "etc/empty"},
          {.path = "etc/file", .mode = S_IFREG | 04755, .content = "x", .xattrs = {{"user.a", "1"}, {"user.b", ""}}},
          {.path = "etc/name", .hard_link_to = "etc/file"},
          {.path = "etc/link", .mode = S_IFLNK | 0777, .content = "../somewhere"},
          {.path = "dev/null", .mode = S_IFCHR | 0666, .rdev_major = 1, .rdev_minor = 3},
          {.path = "dev/disk", .mode = S_IFBLK | 0660, .rdev_major = 8, .rdev_minor = 1},
          {.path = "dev/pipe", .mode = S_IFIFO | 0600, .uid = 4'000'000'000},
          {.path = "gone", .mode = S_IFCHR}};
}

struct Shape {
  const char* name;
  Entries (*entries)();
  const char *blob, *index;
};

// As libzstd 1.5.4 makes them.
constexpr std::uint32_t kRecordedRelease = 10504;
constexpr Shape kShapes[] = {
    {"Nothing", [] { return Entries(); },
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "086ded517f183e3758e61909cb9532ede6f9b10d18d247d06e203efd19a89c05"},
    {"TinyFiles", tiny_files,
     "2ca760d0da61799ae098496450bd8f749d21bfaff8170211847410c7df798191",
     "0655a8ce968de9ec20a602fedba951301d69f78eefe8e5d15844c4f59e254a96"},
    {"LargeFiles", large_files,
     "36e787bdd104679e24a51af8c3e9451435fe94de8c0b072419ef142b6429448d",
     "cc45484ebc44285cf3f5d76fd7300b659a30bcc92546b53e14b6ebf8c02a1500"},
    {"RepeatedFiles", repeated_files,
     "2e241aae23b50773b01425208b21ce9151aab600e1c6a75ac4c955fd3d4f2220",
     "78f199362eea9674926a6631a3afdaffe524dfe6c46aac3a87ae91641bb2b789"},
    {"SparseFiles", sparse_files,
     "3b0b37e5096a6566b4e892dafb7e53008e8089f8fe6ff8244ae8577ca333d8f8",
     "380622fe546ef8e0d02fc3f00b1c475df89c63ebc1ff4f358a369c2910c1b1f4"},
    {"EveryType", every_type,
     "a9e894284366d605c74b963014acea3c4a26f47d4275125dbf8a805bbf785bd8",
     "ce2ed401d82d80d53eaaaaba06caad56adb044e518034c3a4f367dabe39fe205"},
};

class Golden : public LayerTest, public ::testing::WithParamInterface<Shape> {};

TEST_P(Golden, MakesTheSameBytesWithAnyNumberOfThreads) {
  const Entries entries = GetParam().entries();

  const SampleLayer reference = write(entries, {.threads = 1});

  for (const SampleWriting& writing : {SampleWriting{.threads = 2, .split = 1000}, SampleWriting{.threads = 5, .split = 65'537}}) {
    const SampleLayer layer = write(entries, writing);
    EXPECT_EQ(layer.written.index, reference.written.index) << writing.threads;
    EXPECT_EQ(layer.written.info.blob, reference.written.info.blob) << writing.threads;
    EXPECT_TRUE(read_file(layer.blob_path).value() == read_file(reference.blob_path).value()) << writing.threads;
  }
}

TEST_P(Golden, MakesTheBytesItAlwaysMade) {
  if (zstd_version() != kRecordedRelease) {
    GTEST_SKIP() << "libzstd " << zstd_version() << " may compress otherwise than " << kRecordedRelease
                 << ", whose bytes are recorded here; the index says which release made a blob";
  }

  const SampleLayer layer = write(GetParam().entries());

  EXPECT_EQ(layer.written.info.blob.hex(), GetParam().blob);
  EXPECT_EQ(layer.written.index.hex(), GetParam().index);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Golden, ::testing::ValuesIn(kShapes),
                         [](const auto& shape) { return std::string(shape.param.name); });

}  // namespace
}  // namespace samara::cache_index
