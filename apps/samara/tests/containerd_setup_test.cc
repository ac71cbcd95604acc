#include "containerd_setup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "containerd_config.h"
#include "hosts_file.h"
#include "toml_text.h"

namespace samara::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kOne = R"(# ours
version = 2
disabled_plugins = [
  "io.containerd.snapshotter.v1.zfs",
]

[plugins]

  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "pause:3.6"

    [plugins."io.containerd.grpc.v1.cri".containerd]
      disable_snapshot_annotations = true
      snapshotter = "overlayfs" # the default

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
        snapshotter = ""

    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = "/etc/elsewhere"
)";

std::string set_up(std::string_view text, const NodeSetup& setup = {}) {
  const auto after = set_up_containerd(text, setup);
  EXPECT_TRUE(after.ok()) << after.status();
  return after.value_or("");
}

TEST(ContainerdSetup, ChangesOnlyWhatItMust) {
  const std::string after = set_up(kOne);

  EXPECT_THAT(changed_lines(kOne, after),
              ElementsAre(HasSubstr("-      disable_snapshot_annotations = true"), HasSubstr("-      snapshotter = \"overlayfs\""),
                          HasSubstr("+      disable_snapshot_annotations = false"), HasSubstr("+      snapshotter = \"samara\""),
                          HasSubstr("+"), HasSubstr("+[proxy_plugins.samara]"), HasSubstr("+  type = \"snapshot\""),
                          HasSubstr("+  address = \"/run/samara/snapshotter.sock\"")));
  const auto config = parse_containerd_config(after, "after");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->snapshotter, "samara");
  EXPECT_EQ(config->disable_snapshot_annotations, false);
  EXPECT_EQ(config->config_path, "/etc/elsewhere");
  EXPECT_EQ(config->proxies.at("samara").address, "/run/samara/snapshotter.sock");
}

TEST(ContainerdSetup, DoesNothingTheSecondTime) {
  const std::string once = set_up(kOne);

  EXPECT_EQ(set_up(once), once);
}

TEST(ContainerdSetup, IsUndone) {
  const std::string moved = set_up(set_up(kOne), {.address = "/run/other.sock"});
  ASSERT_THAT(moved, HasSubstr("/run/other.sock"));

  EXPECT_EQ(TomlText::undo(moved), kOne);
}

TEST(ContainerdSetup, IsUndoneAroundWhatWasEditedSince) {
  const std::string edited = str_cat(set_up(kOne), "[debug]\n  level = \"debug\"\n");

  EXPECT_EQ(TomlText::undo(edited), str_cat(kOne, "[debug]\n  level = \"debug\"\n"));
}

TEST(ContainerdSetup, KnowsTheLayoutOfTwo) {
  const std::string after = set_up("version = 3\n", {.root = "/data/samara"});

  const auto config = parse_containerd_config(after, "after");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->snapshotter, "samara");
  EXPECT_EQ(config->proxies.at("samara").root, "/data/samara");
  EXPECT_TRUE(config->proxies.at("samara").remote_annotations);
  EXPECT_EQ(config->config_path, "/etc/containerd/certs.d");
  EXPECT_EQ(TomlText::undo(after), "version = 3\n");
}

TEST(ContainerdSetup, TellsContainerdTwoOfIdMappedMounts) {
  const auto tells = [](const std::string& text) { return text.find("capabilities = [\"remap-ids\"]") != std::string::npos; };

  EXPECT_TRUE(tells(set_up("version = 3\n", {.id_mapped_mounts = true})));
  EXPECT_FALSE(tells(set_up("version = 3\n", {})));
  EXPECT_FALSE(tells(set_up("version = 2\n", {.id_mapped_mounts = true})));
}

TEST(ContainerdSetup, WritesAFileWhereThereIsNone) {
  EXPECT_TRUE(absl::IsInvalidArgument(set_up_containerd("", {}).status()));

  EXPECT_THAT(set_up("", {.layout = 2}), HasSubstr("version = 2\n"));
  EXPECT_THAT(set_up("", {.layout = 3}), HasSubstr("version = 3\n"));
}

TEST(ContainerdSetup, LeavesTheOldRegistryTablesAlone) {
  constexpr std::string_view old = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\n  endpoint = []\n";

  EXPECT_EQ(parse_containerd_config(set_up(old), "after")->config_path, std::nullopt);
}

TEST(ContainerdSetup, RefusesWhatItCannotEdit) {
  EXPECT_TRUE(absl::IsFailedPrecondition(set_up_containerd("version = 1\n", {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(set_up_containerd("version = [\n", {}).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      set_up_containerd("version = 2\n[proxy_plugins]\n  samara = {type = \"content\", address = \"/x\"}\n", {}).status()));
}

}  // namespace
}  // namespace samara::cli
