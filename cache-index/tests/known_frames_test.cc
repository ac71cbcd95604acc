#include "cache_index/known_frames.h"

#include <fcntl.h>

#include "layer_fixture.h"

namespace samara::cache_index {
namespace {

class KnownFramesTest : public LayerTest {
 protected:
  static std::vector<SampleEntry> entries() {
    return {{.path = "a", .content = sample_text(1, 900'000)},
            {.path = "b", .content = sample_bytes(2, 700'000)},
            {.path = "c", .content = sample_text(3, 5000)}};
  }
  static Fd open_blob(const SampleLayer& layer) { return open_file(layer.blob_path, O_RDONLY).value(); }

  /// Writes the layer again with these frames at hand.
  SampleLayer write_with(const KnownFrames& known) { return write(entries(), {.known = &known}); }
};

TEST_F(KnownFramesTest, GivesTheFrameThatTheBlobHolds) {
  const SampleLayer layer = write(entries());
  KnownFrames known;

  ASSERT_TRUE(known.add(*layer.index, open_blob(layer)));

  const Chunk chunk = layer.index->chunk(1).value();
  const std::string blob = read_file(layer.blob_path).value();
  EXPECT_TRUE(known.find(chunk.digest) == blob.substr(chunk.blob_offset, chunk.blob_size));
  EXPECT_FALSE(known.find(sha256(as_bytes("unknown"))).has_value());
}

TEST_F(KnownFramesTest, DoesNotChangeWhatIsWritten) {
  const SampleLayer layer = write(entries());
  KnownFrames known;
  ASSERT_TRUE(known.add(*layer.index, open_blob(layer)));

  const SampleLayer again = write_with(known);

  EXPECT_EQ(again.written.index, layer.written.index);
  EXPECT_TRUE(read_file(again.blob_path).value() == read_file(layer.blob_path).value());
}

TEST_F(KnownFramesTest, IsNotBelievedWhenAFrameIsDamaged) {
  const SampleLayer layer = write(entries());
  const std::string blob = read_file(layer.blob_path).value();
  KnownFrames known;
  ASSERT_TRUE(known.add(*layer.index, open_blob(layer)));
  const Fd file = open_file(layer.blob_path, O_WRONLY).value();
  ASSERT_TRUE(pwrite_all(file.get(), as_bytes(std::string(300'000, 'x')), 1000).ok());

  const SampleLayer again = write_with(known);

  EXPECT_EQ(again.written.index, layer.written.index);
  EXPECT_TRUE(read_file(again.blob_path).value() == blob);
}

TEST_F(KnownFramesTest, TakesNoLayerThatAnotherReleaseMade) {
  const SampleLayer layer = write(entries());
  std::string index = read_file(layer.index_path).value();
  index[44] = static_cast<char>(index[44] ^ 1);  // the release of libzstd
  const Digest checksum = sha256(as_bytes(index).first(480));
  index.replace(480, 32, as_text(checksum.bytes()));
  const auto reader = IndexReader::view(as_bytes(index));
  ASSERT_TRUE(reader.ok()) << reader.status();
  KnownFrames known;

  EXPECT_FALSE(known.add(**reader, open_blob(layer)));
  EXPECT_FALSE(known.find(layer.index->chunk(0).value().digest).has_value());
}

}  // namespace
}  // namespace samara::cache_index
