#include <gmock/gmock.h>
#include <sys/mount.h>
#include <unistd.h>

#include <random>

#include "cache_fixture.h"

/// A disk that fills up: a small tmpfs, so it needs root.
namespace samara::cache_index {
namespace {

/// A tmpfs of 24 MiB, unmounted at the end.
class SmallDisk {
 public:
  SmallDisk() : mounted_(::mount("tmpfs", dir_.path().c_str(), "tmpfs", 0, "size=24m") == 0) {}
  ~SmallDisk() {
    if (mounted_) ::umount2(dir_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const std::string& path() const { return dir_.path(); }

 private:
  TempDir dir_ = *TempDir::create("small_disk");
  bool mounted_;
};

MadeChunk random_chunk(std::uint32_t number) {
  std::mt19937 random(number);
  std::string bytes(256u << 10, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return make_chunk(std::move(bytes), std::uint64_t{number} << 20);
}

TEST(FullDisk, GivesResourceExhaustedLeavesNoLyingRowAndGoesOnWhenThereIsRoomAgain) {
  const SmallDisk disk;
  if (!disk.mounted()) GTEST_SKIP() << "can't mount a tmpfs here";
  const auto ballast = write_file_atomic(disk.path() + "/ballast", std::string(8u << 20, 'b'));
  ASSERT_TRUE(ballast.ok()) << ballast;
  const auto cache = Cache::open({.root = disk.path() + "/cache"});
  ASSERT_TRUE(cache.ok()) << cache.status();
  const Digest blob = digest_of("blob");

  std::uint32_t stored = 0;
  absl::Status full;
  for (; stored < 200 && full.ok(); ++stored) {
    const MadeChunk made = random_chunk(stored);
    full = (*cache)->put_frame(blob, made.chunk, as_bytes(made.frame));
  }
  const MadeChunk refused = random_chunk(--stored);
  const absl::Status object = (*cache)->put_object(digest_of(std::string(8u << 20, 'o')), as_bytes(std::string(8u << 20, 'o')));

  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_TRUE(absl::IsResourceExhausted(object)) << object;
  ASSERT_GT(stored, 3u);
  EXPECT_FALSE((*cache)->has_chunk(refused.chunk.digest));
  for (std::uint32_t i = 0; i < stored; ++i) {
    const MadeChunk made = random_chunk(i);
    EXPECT_EQ((*cache)->read_chunk(made.chunk).value_or(""), made.bytes) << i;
  }
  ASSERT_EQ(::unlink((disk.path() + "/ballast").c_str()), 0);
  const absl::Status again = (*cache)->put_frame(blob, refused.chunk, as_bytes(refused.frame));
  EXPECT_TRUE(again.ok()) << again;
  EXPECT_EQ((*cache)->read_chunk(refused.chunk).value_or(""), refused.bytes);
}

TEST(FullDisk, IsToldByTheStoreAndForgottenWhenThereIsRoomAgain) {
  const SmallDisk disk;
  if (!disk.mounted()) GTEST_SKIP() << "can't mount a tmpfs here";
  ASSERT_TRUE(write_file_atomic(disk.path() + "/ballast", std::string(8u << 20, 'b')).ok());
  const auto store = Store::open(disk.path() + "/db", {"rows"});
  ASSERT_TRUE(store.ok()) << store.status();
  const std::string value(64u << 10, 'v');

  absl::Status full;
  int written = 0;
  for (; written < 2000 && full.ok(); ++written) full = (*store)->write({{"rows", std::to_string(written), value}});
  --written;

  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_TRUE(absl::IsNotFound((*store)->get("rows", std::to_string(written)).status()));
  EXPECT_EQ((*store)->get("rows", "0").value_or(""), value);
  ASSERT_EQ(::unlink((disk.path() + "/ballast").c_str()), 0);
  const absl::Status again = (*store)->write({{"rows", "again", value}});
  EXPECT_TRUE(again.ok()) << again;
  EXPECT_EQ((*store)->get("rows", "0").value_or(""), value);
}

}  // namespace
}  // namespace samara::cache_index
