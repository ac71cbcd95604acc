#include "snapshotter/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace samara::snapshotter {
namespace {

using ::testing::HasSubstr;

Info sample() {
  Info info;
  info.name = "k8s.io/12/sha256:aa";
  info.parent = "k8s.io/11/sha256:bb";
  info.kind = Kind::kCommitted;
  info.labels = {{"containerd.io/snapshot.ref", "sha256:aa"}, {"a.b", "dotted"}, {"quote\"d", "x"}, {"empty", ""}};
  return info;
}

bool matches(const std::vector<std::string>& filters) {
  const auto set = FilterSet::parse(filters);
  EXPECT_TRUE(set.ok()) << set.status();
  return set.ok() && set->matches(sample());
}

TEST(Filter, MatchesEverythingWhenThereIsNone) {
  EXPECT_TRUE(matches({}));
  EXPECT_TRUE(matches({""}));
}

TEST(Filter, FindsARemoteSnapshotAsContainerdAsks) {
  EXPECT_TRUE(matches({R"(labels."containerd.io/snapshot.ref"==sha256:aa,parent=="k8s.io/11/sha256:bb")"}));
  EXPECT_FALSE(matches({R"(labels."containerd.io/snapshot.ref"==sha256:aa,parent=="")"}));
  EXPECT_FALSE(matches({R"(labels."containerd.io/snapshot.ref"==sha256:ab,parent=="k8s.io/11/sha256:bb")"}));
}

TEST(Filter, ComparesEachField) {
  EXPECT_TRUE(matches({"name==k8s.io/12/sha256:aa"}));
  EXPECT_TRUE(matches({"kind==committed"}));
  EXPECT_FALSE(matches({"kind==active"}));
  EXPECT_TRUE(matches({"kind!=active"}));
  EXPECT_TRUE(matches({"labels.a.b==dotted"}));
  EXPECT_TRUE(matches({R"(labels."a.b"==dotted)"}));
  EXPECT_TRUE(matches({R"(labels."quote\"d"==x)"}));
  EXPECT_TRUE(matches({R"(labels."empty"=="")"}));
}

TEST(Filter, ABareFieldAsksWhetherItIsThere) {
  EXPECT_TRUE(matches({"name"}));
  EXPECT_TRUE(matches({R"(labels."empty")"}));
  EXPECT_FALSE(matches({"labels.missing"}));
  EXPECT_FALSE(matches({"colour"}));
}

TEST(Filter, AnAbsentFieldIsEmptyAndEqualsNothing) {
  EXPECT_FALSE(matches({R"(labels.missing=="")"}));
  EXPECT_TRUE(matches({"labels.missing!=x"}));
  EXPECT_FALSE(matches({R"(labels.missing!="")"}));
  EXPECT_TRUE(matches({R"(labels.missing~="^$")"}));
}

TEST(Filter, MatchesRegularExpressionsAnywhereInTheValue) {
  EXPECT_TRUE(matches({"name~=sha256"}));
  EXPECT_FALSE(matches({"name~=^sha256"}));
  EXPECT_TRUE(matches({R"(name~=/^k8s\.io\/\d+\//)"}));
  EXPECT_TRUE(matches({"parent~=|/1[01]/|"}));
  EXPECT_TRUE(matches({R"(name~="^k8s\\.io")"}));
}

TEST(Filter, AnyFilterIsEnoughButAllItsTermsMustMatch) {
  EXPECT_TRUE(matches({"kind==view", "kind==committed"}));
  EXPECT_FALSE(matches({"kind==committed,name==other"}));
  EXPECT_TRUE(matches({"kind==committed , name ~= aa"}));
}

TEST(Filter, UnderstandsGoEscapes) {
  Info info;
  info.labels = {{"k", "tab\tbyte\xff" "e\xc3\xa9\xf0\x9f\x8d\x81"}};

  const auto set = FilterSet::parse({R"(labels.k=="tab\tbyte\xffe\u00e9\U0001f341")"});

  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_TRUE(set->matches(info));
}

class WrongFilter : public ::testing::TestWithParam<const char*> {};

TEST_P(WrongFilter, IsInvalidArgument) {
  const auto set = FilterSet::parse({GetParam()});

  EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument) << GetParam();
  EXPECT_THAT(std::string(set.status().message()), HasSubstr("filter"));
}

INSTANTIATE_TEST_SUITE_P(Shapes, WrongFilter,
                         ::testing::Values("==x", "name==", "name=x", "name==\"open", "name==\"\\q\"", "name==\"\\x4\"",
                                           "name==\"\\xzz\"", "name==\"\\Uffffffff\"", "name==\"\\777\"", "name==a b",
                                           "name==a,", ",name==a", "name~=(", "name~=/a", "labels.", "labels..a",
                                           "name==\"\\"));

TEST(Filter, RefusesMoreThanAnyClientNeeds) {
  EXPECT_TRUE(absl::IsInvalidArgument(FilterSet::parse(std::vector<std::string>(65, "name")).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(FilterSet::parse({"name==" + std::string(70'000, 'x')}).status()));
}

}  // namespace
}  // namespace samara::snapshotter
