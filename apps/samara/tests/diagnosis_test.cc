#include "diagnosis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/text.h"
#include "hosts_file.h"

namespace samara::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::string_view kOne = R"(version = 2
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
)";
constexpr std::string_view kOneLazy = R"(
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "samara"
  disable_snapshot_annotations = false
[proxy_plugins.samara]
  type = "snapshot"
  address = "/run/samara/snapshotter.sock"
)";
constexpr std::string_view kTwo = R"(version = 3
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "/etc/containerd/certs.d:/etc/docker/certs.d"
)";
constexpr std::string_view kTwoLazy = R"(
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "samara"
  disable_snapshot_annotations = false
[proxy_plugins.samara]
  type = "snapshot"
  address = "/run/samara/snapshotter.sock"
  [proxy_plugins.samara.exports]
    root = "/var/lib/samara/node"
)";

// A machine on which everything is as it should be, until a test breaks something.
struct Patient {
  Patient() {
    write("/proc/filesystems", "nodev\tsysfs\nnodev\toverlay\n\text4\n");
    write("/dev/fuse", "");
    write("/etc/containerd/certs.d/_default/hosts.toml", *hosts_file("_default", {}));
  }
  void write(const std::string& path, std::string_view text) {
    const std::string full = directory.path() + path;
    ASSERT_TRUE(make_directories(full.substr(0, full.rfind('/'))).ok());
    ASSERT_TRUE(write_file_atomic(full, text).ok());
  }
  std::vector<Finding> look(std::string_view config) {
    write("/etc/containerd/config.toml", config);
    return diagnose({}, machine());
  }
  Machine machine() {
    return {directory.path(), [this](const std::string&) { return site; }, [this](const std::string&) { return socket; }};
  }
  // The ids of what is wrong, and the ids of notes with a "?" after them.
  std::vector<std::string> ids(std::string_view config) {
    std::vector<std::string> result;
    for (const Finding& finding : look(config)) {
      EXPECT_FALSE(finding.problem.empty() || finding.fix.empty()) << finding.id;
      result.push_back(finding.id + (finding.wrong ? "" : "?"));
    }
    return result;
  }

  TempDir directory = *TempDir::create("doctor");
  absl::Status site, socket;
};

std::string with(std::string_view a, std::string_view b) { return str_cat(a, b); }
std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Doctor, TellsASiteThatRefusesFromOneThatIsAway) {
  Patient patient;
  patient.site = absl::PermissionDeniedError("it answers 403");
  EXPECT_THAT(patient.ids(kOne), ElementsAre("site-refuses"));

  patient.site = absl::UnavailableError("nobody there");
  EXPECT_THAT(patient.ids(kOne), ElementsAre("site-unreachable"));
}

TEST(Doctor, FindsNothingWhereAllIsWell) {
  Patient patient;

  EXPECT_THAT(patient.ids(kOne), IsEmpty());
  EXPECT_THAT(patient.ids(with(kOne, kOneLazy)), IsEmpty());
  EXPECT_THAT(patient.ids(kTwo), IsEmpty());
  EXPECT_THAT(patient.ids(with(kTwo, kTwoLazy)), IsEmpty());
}

TEST(Doctor, FindsAConfigurationThatIsAbsentOrBroken) {
  Patient patient;

  const auto absent = diagnose({}, patient.machine());
  ASSERT_EQ(absent.size(), 1u);
  EXPECT_EQ(absent[0].id, "config-unreadable");
  EXPECT_THAT(patient.ids("version = \n"), ElementsAre("config-broken"));
  EXPECT_THAT(patient.ids(replaced(std::string(kOne), "version = 2\n", "")), Contains("config-version"));
}

TEST(Doctor, FindsThatHostsFilesAreNotReadAtAll) {
  Patient patient;

  EXPECT_THAT(patient.ids("version = 2\n"), ElementsAre("config-path-missing"));
  EXPECT_THAT(patient.ids(replaced(std::string(kOne), "/etc/containerd/certs.d", "")), ElementsAre("config-path-missing"));
  EXPECT_THAT(patient.ids("version = 3\n"), ElementsAre("config-path-implied?"));
}

TEST(Doctor, FindsAMirrorThatIsNotUsed) {
  Patient patient;

  EXPECT_THAT(patient.ids(replaced(std::string(kOne), "certs.d", "elsewhere")), ElementsAre("mirror-unused"));
  patient.write("/etc/containerd/certs.d/_default/hosts.toml", *hosts_file("_default", {.urls = {"http://other:1"}}));
  EXPECT_THAT(patient.ids(kOne), ElementsAre("mirror-unused"));
}

TEST(Doctor, FindsAMirrorThatIsUsedForSomeOrInPart) {
  Patient patient;

  patient.write("/etc/containerd/certs.d/ghcr.io/hosts.toml", "server = \"https://ghcr.io\"\n");
  EXPECT_THAT(patient.ids(kOne), ElementsAre("mirror-bypassed?"));
  patient.write("/etc/containerd/certs.d/ghcr.io/hosts.toml", "[host.\"http://127.0.0.1:7700/\"]\ncapabilities = [\"pull\"]\n");
  EXPECT_THAT(patient.ids(kOne), ElementsAre("mirror-capabilities"));
}

TEST(Doctor, FindsHostsFilesThatAreBroken) {
  Patient patient;
  patient.write("/etc/containerd/certs.d/ghcr.io/hosts.toml", "[host.\n");

  const auto findings = patient.look(kOne);

  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].id, "hosts-unreadable");
  EXPECT_THAT(findings[0].problem, HasSubstr("ghcr.io/hosts.toml:1"));
}

TEST(Doctor, FindsTheOldRegistryTables) {
  Patient patient;
  constexpr std::string_view kMirrors =
      "[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\n  endpoint = [\"http://127.0.0.1:7700\"]\n";
  constexpr std::string_view kEmptyMirrors = "[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors]\n";

  EXPECT_THAT(patient.ids(with(kOne, kMirrors)), ElementsAre("old-registry-tables"));
  EXPECT_THAT(patient.ids(with(kOne, kEmptyMirrors)), IsEmpty());
  EXPECT_THAT(patient.ids(with("version = 2\n", kMirrors)), ElementsAre("old-registry-tables", "config-path-missing"));
}

TEST(Doctor, FindsSectionsOfAnotherVersion) {
  Patient patient;

  EXPECT_THAT(patient.ids(with(kTwo, kOneLazy)), Contains("section-of-1.x"));
  EXPECT_THAT(patient.ids(replaced(std::string(kTwo), "version = 3", "version = 2")), Contains("section-of-2.x"));
  EXPECT_THAT(patient.ids(with("imports = [\"/etc/containerd/conf.d/*.toml\"]\n", kOne)), ElementsAre("imports?"));
}

TEST(Doctor, FindsThatTheSnapshotterIsToldTooLittle) {
  Patient patient;
  const std::string switched_off = "disable_snapshot_annotations = false";

  EXPECT_THAT(patient.ids(replaced(with(kOne, kOneLazy), switched_off, "")), ElementsAre("annotations-off"));
  EXPECT_THAT(patient.ids(replaced(with(kOne, kOneLazy), switched_off, "disable_snapshot_annotations = true")),
              ElementsAre("annotations-off"));
  EXPECT_THAT(patient.ids(replaced(with(kTwo, kTwoLazy), switched_off, "")), ElementsAre("pull-mode"));
  EXPECT_THAT(patient.ids(replaced(with(kTwo, kTwoLazy), switched_off, "use_local_image_pull = true")),
              ElementsAre("annotations-off"));
}

TEST(Doctor, KnowsTheTransferService) {
  Patient patient;
  const std::string config =
      replaced(with(kTwo, kTwoLazy), "disable_snapshot_annotations = false", "") +
      "    enable_remote_snapshot_annotations = \"true\"\n"
      "[[plugins.\"io.containerd.transfer.v1.local\".unpack_config]]\n  platform = \"linux\"\n  snapshotter = \"samara\"\n";

  EXPECT_THAT(patient.ids(config), IsEmpty());
  EXPECT_THAT(patient.ids(replaced(config, "annotations = \"true\"", "annotations = \"false\"")), ElementsAre("pull-mode"));
  EXPECT_THAT(patient.ids(replaced(config, "linux\"\n  snapshotter = \"samara\"", "linux\"\n  snapshotter = \"overlayfs\"")),
              ElementsAre("pull-mode"));
}

TEST(Doctor, FindsASnapshotterThatIsMissingOrUnused) {
  Patient patient;
  const std::string lazy = with(kOne, kOneLazy);

  EXPECT_THAT(patient.ids(replaced(lazy, "[proxy_plugins.samara]", "[proxy_plugins.other]")), ElementsAre("snapshotter-unknown"));
  EXPECT_THAT(patient.ids(replaced(lazy, "snapshotter = \"samara\"", "snapshotter = \"overlayfs\"")), ElementsAre("snapshotter-unused"));
  EXPECT_THAT(patient.ids(replaced(lazy, "type = \"snapshot\"", "type = \"content\"")), ElementsAre("snapshotter-type"));
  EXPECT_THAT(patient.ids(replaced(with(kTwo, kTwoLazy), "root = ", "other = ")), ElementsAre("snapshotter-root?"));
  EXPECT_THAT(patient.ids(lazy + "[plugins.\"io.containerd.grpc.v1.cri\".containerd.x]\n"), IsEmpty());
  EXPECT_THAT(patient.ids(replaced(lazy, "snapshotter = \"samara\"", "snapshotter = \"samara\"\n  discard_unpacked_layers = true")),
              ElementsAre("layers-discarded"));
}

TEST(Doctor, FindsWhatDoesNotAnswer) {
  Patient patient;
  patient.site = absl::UnavailableError("nobody there");
  patient.socket = absl::NotFoundError("no such file");

  EXPECT_THAT(patient.ids(kOne), ElementsAre("site-unreachable"));
  EXPECT_THAT(patient.ids(with(kOne, kOneLazy)), ElementsAre("snapshotter-socket", "site-unreachable"));
}

TEST(Doctor, FindsAKernelWithoutWhatLazyStartsNeed) {
  Patient patient;
  patient.write("/proc/filesystems", "nodev\tsysfs\n");

  EXPECT_THAT(patient.ids(kOne), IsEmpty());
  EXPECT_THAT(patient.ids(with(kOne, kOneLazy)), ElementsAre("overlay-missing"));
}

}  // namespace
}  // namespace samara::cli
