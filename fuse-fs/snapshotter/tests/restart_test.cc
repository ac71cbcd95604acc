// Whatever a node had answered when it died is so when it starts again, and nothing else is left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "snapshotter_stack.h"

namespace samara::snapshotter {
namespace {

class RestartTest : public ::testing::Test {
 protected:
  std::vector<Info> infos() { return *stack_->list({}); }
  /// Every snapshot as one line.
  std::vector<std::string> all() {
    std::vector<std::string> lines;
    for (const Info& info : infos()) {
      std::string line = str_cat(info.name, " on ", info.parent, " kind ", static_cast<int>(info.kind), " at ", info.created_ns);
      for (const auto& [key, value] : info.labels) str_append(&line, " ", key, "=", value);
      lines.push_back(line);
    }
    return lines;
  }
  /// What Mounts answers for each that isn't committed.
  std::vector<std::string> mounts() {
    std::vector<std::string> lines;
    for (const Info& info : infos()) {
      if (info.kind == Kind::kCommitted) continue;
      const auto mounts = stack_->mounts(info.name);
      EXPECT_TRUE(mounts.ok()) << info.name << ": " << mounts.status();
      for (const Mount& mount : mounts.value_or(std::vector<Mount>())) {
        std::string line = str_cat(info.name, " ", mount.type, " ", mount.source);
        for (const std::string& option : mount.options) str_append(&line, " ", option);
        lines.push_back(line);
      }
    }
    return lines;
  }
  std::size_t directories() {
    EXPECT_TRUE(stack_->cleanup().ok());
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(stack_.path() + "/s")) count += entry.is_directory() ? 1 : 0;
    return count;
  }
  void survives(const char* step) {
    const auto snapshots = all(), mounted = mounts();
    const auto attached = stack_.mount().attached();
    const std::size_t files = directories();

    stack_.restart();

    EXPECT_EQ(all(), snapshots) << step;
    EXPECT_EQ(mounts(), mounted) << step;
    EXPECT_EQ(directories(), files) << step;
    ASSERT_EQ(stack_.mount().attached().size(), attached.size()) << step;
    for (const auto& [slot, layer] : attached) {
      ASSERT_TRUE(stack_.mount().attached().contains(slot)) << step;
      EXPECT_EQ(stack_.mount().attached().at(slot)->info().diff_id, layer->info().diff_id) << step;
    }
  }

  SnapshotterStack stack_;
};

TEST_F(RestartTest, AfterEveryStepOfALife) {
  const std::vector<TestLayer> layers = {make_file_layer("a", "one"), make_file_layer("b", "two")};
  std::string image;
  const auto ok = [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; };
  const std::vector<std::pair<const char*, std::function<void()>>> steps = {
      {"a lazy image", [&] { image = stack_.prepare_lazily(layers, "docker.io/library/a:1"); }},
      {"a container", [&] { ok(stack_->prepare("k8s.io/1/container", image, {{"containerd.io/snapshot/x", "y"}}).status()); }},
      {"a view", [&] { ok(stack_->view("k8s.io/2/view", image, {}).status()); }},
      {"an ordinary layer", [&] { stack_.commit_ordinary("k8s.io/3/ordinary", "", "file"); }},
      {"an ordinary layer on a lazy one", [&] { stack_.commit_ordinary("k8s.io/4/mixed", image, "file"); }},
      {"another namespace", [&] { ok(stack_->prepare("moby/1/container", "k8s.io/4/mixed", {}).status()); }},
      {"new labels", [&] { ok(stack_->update("k8s.io/4/mixed", {{"containerd.io/snapshot/x", "z"}}, {}).status()); }},
      {"the end of a container", [&] { ok(stack_->remove("moby/1/container")); }},
      {"the end of a layer", [&] { ok(stack_->remove("k8s.io/4/mixed")); }},
      {"the end of the others", [&] { ok(stack_->remove("k8s.io/1/container")), ok(stack_->remove("k8s.io/2/view")); }},
      {"the end of the image", [&] {
         const std::string lower = stack_->stat(image)->parent;
         ok(stack_->remove(image));
         ok(stack_->remove(lower));
       }}};
  for (const auto& [name, step] : steps) {
    step();
    ASSERT_NO_FATAL_FAILURE(survives(name));
  }
  EXPECT_EQ(stack_->count(), 1u);
  EXPECT_TRUE(stack_.mount().attached().empty());
}

TEST_F(RestartTest, WithAThousandSnapshotsOfTenNamespaces) {
  const std::string image = stack_.prepare_lazily({make_file_layer("a", "one")}, "docker.io/library/a:1");
  for (int i = 0; i < 1000; ++i) {
    const auto mounts = stack_->view(str_cat("ns", i % 10, "/", i, "/container"), image, {});
    ASSERT_TRUE(mounts.ok()) << mounts.status();
  }

  survives("a thousand");

  EXPECT_EQ(stack_->list({"name~=/^ns3\\//"})->size(), 100u);
}

}  // namespace
}  // namespace samara::snapshotter
