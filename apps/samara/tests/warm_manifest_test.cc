#include "warm_manifest.h"

#include <gmock/gmock.h>

namespace samara::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> names(const WarmManifest& manifest) {
  std::vector<std::string> names;
  for (const WarmEntry& entry : manifest.images) names.push_back(entry.image);
  return names;
}

TEST(Batch, GivesEachImageWhatItSaysAndElseWhatTheBatchSays) {
  const auto batch = parse_batch(R"(
pin: 24h
level: trace
sites: [edge-1, edge-2]
images:
  - docker.io/library/python:3.12
  - image: docker.io/library/redis:7
    level: full
    sites: core
    deadline: 5m
)",
                                 "batch.yaml");

  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(batch->pin, "24h");
  EXPECT_THAT(names(*batch), ElementsAre("docker.io/library/python:3.12", "docker.io/library/redis:7"));
  EXPECT_EQ(batch->images[0].level, "trace");
  EXPECT_THAT(batch->images[0].sites, ElementsAre("edge-1", "edge-2"));
  EXPECT_EQ(batch->images[1].level, "full");
  EXPECT_THAT(batch->images[1].sites, ElementsAre("core"));
  EXPECT_EQ(batch->images[1].deadline, "5m");
}

TEST(Batch, NamesTheLineOfWhatIsWrong) {
  EXPECT_THAT(std::string(parse_batch("images:\n  - image: a\n    levle: full\n", "b.yaml").status().message()),
              HasSubstr("b.yaml:3:5: unknown key \"levle\""));
  EXPECT_FALSE(parse_batch("images: []\n", "b").ok());
  EXPECT_FALSE(parse_batch("- a\n", "b").ok());
  EXPECT_FALSE(parse_batch("{[", "b").ok());
  EXPECT_FALSE(parse_batch("", "b").ok());
  EXPECT_FALSE(parse_batch(std::string_view("images: [a\0]", 12), "b").ok());
  EXPECT_FALSE(parse_batch("images: [\xff]", "b").ok());
  EXPECT_TRUE(parse_batch("images: [\"\xc3\xa9\"]", "b").ok());
}

TEST(Kubernetes, FindsTheImagesOfEveryKindThatHasPods) {
  const auto found = parse_kubernetes(R"(
kind: Pod
spec:
  initContainers: [{image: init}]
  containers: [{image: main}, {image: init}]
  volumes: [{image: {reference: data}}, {emptyDir: {}}]
---
kind: Deployment
spec: {template: {spec: {containers: [{image: deployment}]}}}
---
kind: CronJob
spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: cron}]}}}}}
---
kind: List
items:
- {kind: Job, spec: {template: {spec: {containers: [{image: job}]}}}}
- {kind: ConfigMap, metadata: {name: settings}}
---
)",
                                      "k8s.yaml");

  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(names(*found), ElementsAre("init", "main", "data", "deployment", "cron", "job"));
  EXPECT_THAT(found->passed_over, ElementsAre("ConfigMap settings"));
}

TEST(Kubernetes, NamesTheLineOfAFileOfSeveralDocuments) {
  const auto found = parse_kubernetes("%YAML 1.2\n---\nkind: Pod\nspec: {containers: [{image: a}]}\n...\n---\nkind: Pod\nspec: {containers: [{image: [b]}]}\n", "x");

  EXPECT_THAT(std::string(found.status().message()), HasSubstr("x:8:29: image must be a text"));
}

// yaml-cpp reads such a text for ever, as one empty document after the other.
TEST(Kubernetes, RefusesWhatFollowsADocumentsEnd) {
  EXPECT_THAT(std::string(parse_kubernetes(",:n.p", "x").status().message()), HasSubstr("x:1: "));
  EXPECT_FALSE(parse_kubernetes("kind: Pod\nspec: {containers: [{image: a}]}\n}\n", "x").ok());
  EXPECT_FALSE(parse_batch("{images: [a]}\n, b", "x").ok());
}

TEST(Kubernetes, RefusesWhatIsNoManifest) {
  EXPECT_FALSE(parse_kubernetes("hello: world\n", "x").ok());
  EXPECT_FALSE(parse_kubernetes("just text", "x").ok());
  EXPECT_FALSE(parse_kubernetes("kind: ConfigMap\n", "x").ok());
  EXPECT_FALSE(parse_kubernetes("kind: Deployment\nspec: {}\n", "x").ok());
}

}  // namespace
}  // namespace samara::cli
