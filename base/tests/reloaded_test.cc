#include "base/reloaded.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/status.h"

namespace samara {
namespace {

/// A file whose text is the value, unless it says "bad".
struct Given {
  TempDir directory = *TempDir::create("reloaded");
  std::string path = directory.path() + "/file";
  int made = 0;

  void write(std::string_view text) { EXPECT_TRUE(write_file_atomic(path, text).ok()); }
  absl::StatusOr<std::unique_ptr<Reloaded<std::string>>> load() {
    return Reloaded<std::string>::create("the text", {path}, [this]() -> absl::StatusOr<Reloaded<std::string>::Value> {
      ++made;
      SAMARA_ASSIGN_OR_RETURN(std::string text, read_file(path));
      if (text == "bad") return absl::InvalidArgumentError("bad");
      return std::make_shared<const std::string>(std::move(text));
    });
  }
};

TEST(Reloaded, IsMadeOnceWhileTheFileStays) {
  Given given;
  given.write("one");

  const auto text = given.load();

  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*(*text)->get(), "one");
  EXPECT_EQ(*(*text)->get(), "one");
  EXPECT_EQ(given.made, 1);
}

TEST(Reloaded, IsMadeAnewOnceTheFileHasChanged) {
  Given given;
  given.write("one");
  const auto text = given.load();
  const auto before = (*text)->get();

  given.write("two");

  EXPECT_EQ(*(*text)->get(), "two");
  EXPECT_EQ(*before, "one");  // who holds it may go on with it
}

TEST(Reloaded, KeepsTheLastGoodValueAndTriesEachVersionOnce) {
  Given given;
  given.write("one");
  const auto text = given.load();

  given.write("bad");
  EXPECT_EQ(*(*text)->get(), "one");
  EXPECT_EQ(*(*text)->get(), "one");
  EXPECT_EQ(given.made, 2);
  std::filesystem::remove(given.path);
  EXPECT_EQ(*(*text)->get(), "one");

  given.write("three");
  EXPECT_EQ(*(*text)->get(), "three");
}

TEST(Reloaded, SeesALinkThatWasMovedToAnotherFile) {
  Given given;
  const std::string first = given.directory.path() + "/first", second = given.directory.path() + "/second";
  ASSERT_TRUE(write_file_atomic(first, "old").ok());
  ASSERT_TRUE(write_file_atomic(second, "new").ok());
  std::filesystem::create_symlink(first, given.path);
  const auto text = given.load();

  std::filesystem::remove(given.path);
  std::filesystem::create_symlink(second, given.path);

  EXPECT_EQ(*(*text)->get(), "new");
}

TEST(Reloaded, TellsAtOnceWhatIsWrongAtTheStart) {
  Given given;

  EXPECT_EQ(given.load().status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace samara
