#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace samara {
namespace {

TEST(WriteFileAtomic, ReplacesTheWholeContent) {
  auto dir = TempDir::create("file_test");
  ASSERT_TRUE(dir.ok()) << dir.status();
  const std::string path = dir->path() + "/a";

  ASSERT_TRUE(write_file_atomic(path, "a long first content").ok());
  ASSERT_TRUE(write_file_atomic(path, "short").ok());

  EXPECT_EQ(read_file(path).value(), "short");
}

TEST(ReadFile, StopsAtItsLimit) {
  auto dir = TempDir::create("file_test");
  const std::string path = dir->path() + "/a";
  ASSERT_TRUE(write_file_atomic(path, std::string(100, 'x')).ok());

  EXPECT_TRUE(absl::IsResourceExhausted(read_file(path, 99).status()));
  EXPECT_TRUE(read_file(path, 100).ok());
}

TEST(OpenFile, NamesThePathThatIsMissing) {
  const auto fd = open_file("/nonexistent/x", O_RDONLY);

  EXPECT_TRUE(absl::IsNotFound(fd.status()));
  EXPECT_NE(fd.status().ToString().find("/nonexistent/x"), std::string::npos);
}

TEST(PreadAll, SaysWhenTheFileEndsEarly) {
  auto dir = TempDir::create("file_test");
  ASSERT_TRUE(write_file_atomic(dir->path() + "/a", "12345").ok());
  auto fd = open_file(dir->path() + "/a", O_RDONLY);
  std::uint8_t bytes[4];

  EXPECT_TRUE(pread_all(fd->get(), bytes, 1).ok());
  EXPECT_TRUE(absl::IsOutOfRange(pread_all(fd->get(), bytes, 2)));
}

TEST(TempDir, TakesEverythingWithIt) {
  std::string path;
  {
    auto dir = TempDir::create("file_test");
    path = dir->path();
    ASSERT_TRUE(make_directories(path + "/a/b/c").ok());
  }

  struct stat st;
  EXPECT_NE(::stat(path.c_str(), &st), 0);
}

}  // namespace
}  // namespace samara
