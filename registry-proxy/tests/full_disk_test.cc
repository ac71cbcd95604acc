// A site whose disk is full: a small tmpfs, so it needs root.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include "base/text.h"
#include "site_fixture.h"

namespace samara::registry_proxy {
namespace {

/// A tmpfs of 24 MiB, unmounted at the end.
class SmallDisk {
 public:
  SmallDisk() : mounted_(::mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, "size=24m") == 0) {}
  ~SmallDisk() {
    if (mounted_) ::umount2(directory_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  std::string path() const { return directory_.path() + "/cache"; }

 private:
  TempDir directory_ = *TempDir::create("small_disk");
  bool mounted_;
};

TEST(FullDisk, GivesABlobThatItHasNoRoomToKeep) {
  const SmallDisk disk;
  if (!disk.mounted()) GTEST_SKIP() << "can't mount a tmpfs here";
  auto settings = SiteFixture::never_converting();
  settings.root = disk.path();
  SiteFixture site(settings);
  std::string content;
  while (content.size() < (40u << 20)) str_append(&content, content.size(), ",");
  const Digest large = site.upstream.add_blob(content), small = site.upstream.add_blob("small");

  const auto answer = site.blob(large);

  EXPECT_EQ(answer.head.status, 200);
  EXPECT_TRUE(answer.body == content);
  EXPECT_FALSE(site.cache->has_object(large));
  EXPECT_EQ(site.blob(small).body, "small");
  EXPECT_TRUE(site.cache->has_object(small));
}

}  // namespace
}  // namespace samara::registry_proxy
