#include "registry_proxy/image_archive.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "base/text.h"
#include "cache_index/hasher.h"

/// Images as files: written, read, and refused.
namespace samara::registry_proxy {
namespace {

using ::testing::HasSubstr;

Digest digest_of(std::string_view text) { return cache_index::sha256(as_bytes(text)); }

ArchivedImage sample() {
  ArchivedImage image;
  image.name = "docker.io/library/x:1";
  image.manifests = {{digest_of("m"), "application/vnd.oci.image.manifest.v1+json", ""}, {digest_of("s"), "application/json", "sha256-0.sig"}};
  image.layers = {{.layer = digest_of("l"), .index = digest_of("i"), .blob = digest_of("b"), .index_size = 1, .blob_size = 1, .layer_size = 0}};
  image.referrers = {{digest_of("m"), digest_of("list")}};
  image.traces = {digest_of("trace")};
  image.objects = {digest_of("m"), digest_of("s"), digest_of("i"), digest_of("b")};
  return image;
}

class ArchiveTest : public ::testing::Test {
 protected:
  absl::Status write(const std::string& path, const std::vector<std::string>& contents) {
    auto writer = ArchiveWriter::create(path);
    if (!writer.ok()) return writer.status();
    for (const std::string& content : contents) {
      const Digest digest = digest_of(content);
      const absl::Status added = (*writer)->add(archive_path(digest), content.size(), &digest, [&](const auto& on_bytes) {
        ++given_;
        return on_bytes(as_bytes(content));
      });
      if (!added.ok()) return added;
    }
    return (*writer)->finish();
  }
  std::string read(const std::string& path, const std::string& content) {
    const auto files = ArchiveFiles::open(path);
    EXPECT_TRUE(files.ok()) << files.status();
    return files.ok() ? (*files)->read_object(digest_of(content), 1u << 20).value_or("") : "";
  }
  /// The tar with these bytes at `offset`.
  absl::Status altered(std::string tar, std::size_t offset, std::string_view bytes) {
    tar.replace(offset, bytes.size(), bytes);
    return find_tar_files(tar.size(), [&](std::uint64_t at, std::span<std::uint8_t> out) {
             std::copy_n(tar.data() + at, out.size(), out.data());
             return absl::OkStatus();
           })
        .status();
  }

  TempDir directory_ = *TempDir::create("archive");
  const std::string tar_ = directory_.path() + "/a.tar", folder_ = directory_.path() + "/folder/";
  const std::string small_ = "small", large_ = std::string(100'000, 'x');
  int given_ = 0;
};

TEST_F(ArchiveTest, WhatIsWrittenIsRead) {
  for (const std::string& path : {tar_, folder_}) {
    ASSERT_TRUE(write(path, {small_, large_}).ok());

    EXPECT_EQ(read(path, small_), small_);
    EXPECT_EQ(read(path, large_), large_);
  }
}

TEST_F(ArchiveTest, TheSameFilesGiveTheSameTar) {
  const std::string other = directory_.path() + "/b.tar";

  ASSERT_TRUE(write(tar_, {small_, large_}).ok() && write(other, {small_, large_}).ok());

  EXPECT_EQ(*read_file(tar_), *read_file(other));
}

TEST_F(ArchiveTest, AFileWithOtherBytesThanItsDigestsIsNotWritten) {
  auto writer = *ArchiveWriter::create(tar_);
  const Digest digest = digest_of(small_);
  const std::string wrong = "wrong";

  const absl::Status same_size = writer->add("x", wrong.size(), &digest, [&](const auto& on_bytes) { return on_bytes(as_bytes(wrong)); });
  const absl::Status longer = writer->add("y", 2, nullptr, [&](const auto& on_bytes) { return on_bytes(as_bytes(wrong)); });
  writer.reset();

  EXPECT_TRUE(absl::IsDataLoss(same_size));
  EXPECT_TRUE(absl::IsDataLoss(longer));
  EXPECT_TRUE(absl::IsNotFound(read_file(tar_).status()));
  EXPECT_TRUE(absl::IsNotFound(read_file(tar_ + ".partial").status()));
}

TEST_F(ArchiveTest, ADirectoryGoesOnWhereItWas) {
  ASSERT_TRUE(write(folder_, {small_, large_}).ok());
  ASSERT_TRUE(write_file_atomic(folder_ + archive_path(digest_of(small_)), "other").ok());

  ASSERT_TRUE(write(folder_, {small_, large_}).ok());

  EXPECT_EQ(given_, 3);
  EXPECT_EQ(read(folder_, small_), small_);
}

TEST_F(ArchiveTest, RefusesATarThatIsntOneOfOurs) {
  ASSERT_TRUE(write(tar_, {small_}).ok());
  const std::string tar = *read_file(tar_);

  EXPECT_TRUE(altered(tar, 0, "").ok());
  EXPECT_TRUE(absl::IsInvalidArgument(altered(tar, 0, "X")));          // a sum that isn't right
  EXPECT_TRUE(absl::IsInvalidArgument(altered(tar, 257, "other")));    // no tar
  EXPECT_TRUE(absl::IsInvalidArgument(altered(tar.substr(0, 512), 0, "")));
  EXPECT_TRUE(absl::IsInvalidArgument(altered(tar.substr(0, 1024), 0, "")));  // no end
  EXPECT_TRUE(absl::IsInvalidArgument(altered("", 0, "")));
  EXPECT_TRUE(absl::IsInvalidArgument(altered(tar.substr(0, 1024) + tar, 0, "")));  // a file twice
}

// A symbolic link's header, with the right sum.
TEST_F(ArchiveTest, RefusesWhatIsNoPlainFile) {
  ASSERT_TRUE(write(tar_, {small_}).ok());
  std::string tar = *read_file(tar_);
  tar[156] = '2';
  unsigned sum = 2;
  for (std::size_t i = 0; i < 512; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(tar[i]);
  sum -= 2;
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);

  const absl::Status refused = altered(tar, 148, {text, 7});

  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("no plain file"));
}

TEST_F(ArchiveTest, NamesBytesThatWereAltered) {
  ASSERT_TRUE(write(folder_, {small_}).ok());
  ASSERT_TRUE(write_file_atomic(folder_ + archive_path(digest_of(small_)), "other").ok());

  const auto files = ArchiveFiles::open(folder_);

  EXPECT_TRUE(absl::IsDataLoss((*files)->read_object(digest_of(small_), 100).status()));
  EXPECT_TRUE(absl::IsInvalidArgument((*files)->read_object(digest_of(small_), 1).status()));
  EXPECT_TRUE(absl::IsNotFound((*files)->size("nothing").status()));
}

TEST_F(ArchiveTest, TheListOfImagesSaysAllAgain) {
  const auto parsed = parse_archive(encode_archive({sample()}));

  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->size(), 1u);
  const ArchivedImage& image = parsed->front();
  EXPECT_EQ(image.name, sample().name);
  EXPECT_EQ(image.manifests[1].tag, "sha256-0.sig");
  EXPECT_EQ(image.layers[0].blob, digest_of("b"));
  EXPECT_EQ(image.referrers[0].list, digest_of("list"));
  EXPECT_EQ(image.traces, sample().traces);
  EXPECT_EQ(image.objects, sample().objects);
  EXPECT_EQ(encode_archive(*parsed), encode_archive({sample()}));
}

TEST_F(ArchiveTest, RefusesAListThatIsntOne) {
  const std::string text = encode_archive({sample()});
  const auto replaced = [&](const std::string& what, const std::string& with) {
    std::string changed = text;
    changed.replace(changed.find(what), what.size(), with);
    return parse_archive(changed).status();
  };

  EXPECT_TRUE(absl::IsInvalidArgument(parse_archive("").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(parse_archive("{}").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(replaced("\"layers\"", "\"other\"")));
  EXPECT_TRUE(absl::IsInvalidArgument(replaced("\"name\": \"docker.io/library/x:1\"", "\"name\": 5")));
  EXPECT_TRUE(absl::IsInvalidArgument(replaced(digest_of("b").to_string(), "sha256:b")));
  EXPECT_TRUE(absl::IsFailedPrecondition(replaced("\"version\": 1", "\"version\": 2")));
}

TEST_F(ArchiveTest, TheLayoutNamesImagesAndSignatures) {
  const std::string index = encode_layout_index({sample()}, {{digest_of("m"), 77}});

  EXPECT_THAT(index, HasSubstr("\"docker.io/library/x:1\""));
  EXPECT_THAT(index, HasSubstr("\"docker.io/library/x:sha256-0.sig\""));
  EXPECT_THAT(index, HasSubstr("77"));
}

}  // namespace
}  // namespace samara::registry_proxy
