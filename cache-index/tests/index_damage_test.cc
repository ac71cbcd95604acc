#include "cache_index/tar_stream.h"
#include "layer_fixture.h"
#include "walk_index.h"

namespace samara::cache_index {
namespace {

constexpr std::size_t kMaxSteps = 10'000;

class IndexDamageTest : public LayerTest {
 protected:
  std::string small_index() {
    const SampleLayer layer = write({{.path = "bin/tool", .content = sample_text(1, 1000), .xattrs = {{"user.a", "1"}}},
                                     {.path = "bin/again", .hard_link_to = "bin/tool"},
                                     {.path = "link", .mode = S_IFLNK | 0777, .content = "bin"},
                                     {.path = "null", .mode = S_IFCHR | 0666, .rdev_major = 1, .rdev_minor = 3},
                                     {.path = "sparse", .content = "x", .hole = 2'000'000}});
    return read_file(layer.index_path).value();
  }
};

TEST_F(IndexDamageTest, AWholeIndexAnswersEverything) {
  const std::string index = small_index();

  const auto reader = IndexReader::view(as_bytes(index));

  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_GT(walk_index(**reader, kMaxSteps), 30);
  EXPECT_TRUE((*reader)->check_content().ok());
}

TEST_F(IndexDamageTest, EveryTruncationIsDataLoss) {
  const std::string index = small_index();

  for (std::size_t size = 0; size < index.size(); ++size) {
    const auto reader = IndexReader::view(as_bytes(index).first(size));
    ASSERT_TRUE(absl::IsDataLoss(reader.status())) << size << ": " << reader.status();
  }
}

TEST_F(IndexDamageTest, BytesAfterTheEndAreDataLoss) {
  const std::string index = small_index() + "x";

  EXPECT_TRUE(absl::IsDataLoss(IndexReader::view(as_bytes(index)).status()));
}

TEST_F(IndexDamageTest, EveryFlippedBitOfTheHeaderIsNoticedAtOpen) {
  std::string index = small_index();

  for (std::size_t bit = 0; bit < 512 * 8; ++bit) {
    index[bit / 8] = static_cast<char>(index[bit / 8] ^ (1 << bit % 8));
    ASSERT_FALSE(IndexReader::view(as_bytes(index)).ok()) << bit;
    index[bit / 8] = static_cast<char>(index[bit / 8] ^ (1 << bit % 8));
  }
}

TEST_F(IndexDamageTest, EveryFlippedBitOfTheContentIsFoundByItsChecksum) {
  const std::string whole = small_index();
  std::string index = whole;
  std::size_t padding_bits = 0;

  for (std::size_t bit = 512 * 8; bit < index.size() * 8; ++bit) {
    index[bit / 8] = static_cast<char>(index[bit / 8] ^ (1 << bit % 8));
    const auto reader = IndexReader::view(as_bytes(index));
    ASSERT_TRUE(reader.ok()) << reader.status();
    padding_bits += (*reader)->check_content().ok();  // up to seven bytes between sections mean nothing
    index[bit / 8] = static_cast<char>(index[bit / 8] ^ (1 << bit % 8));
  }

  EXPECT_LT(padding_bits, 5 * 8 * 8);
}

TEST_F(IndexDamageTest, NoByteValueAnywhereCrashesAReader) {
  const std::string whole = small_index();
  std::size_t answers = 0;

  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const unsigned value : {0x00u, 0x01u, 0x7fu, 0x80u, 0xffu, static_cast<unsigned>(whole[at] ^ 0x10)}) {
      std::string index = whole;
      index[at] = static_cast<char>(value);
      seal_header(index);  // or nothing would get past the header's checksum
      const auto reader = IndexReader::view(as_bytes(index));
      if (reader.ok()) answers += walk_index(**reader, kMaxSteps);
    }
  }

  EXPECT_GT(answers, whole.size());
}

TEST_F(IndexDamageTest, ADirectoryWithinItselfHangsNobody) {
  const SampleLayer layer = write({{.path = "a/b", .mode = S_IFDIR | 0755}});
  std::string index = read_file(layer.index_path).value();
  const std::size_t dirents = 512 + 3 * 48;
  index[dirents + 4] = 1;       // the root's entry "a" leads to the root
  index[dirents + 12 + 4] = 2;  // "b" of "a" leads to "a"

  const auto reader = IndexReader::view(as_bytes(index));

  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ((*reader)->lookup(kRootInode, "a").value(), kRootInode);
  EXPECT_EQ((*reader)->lookup(2, "b").value(), 2);
  EXPECT_GT(walk_index(**reader, kMaxSteps), 0);
  EXPECT_TRUE(absl::IsDataLoss((*reader)->check_content()));
}

}  // namespace
}  // namespace samara::cache_index
