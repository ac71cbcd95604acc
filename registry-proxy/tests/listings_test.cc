#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "site_fixture.h"

namespace samara::registry_proxy {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kIndexType = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kEmpty = R"("manifests":[])";

std::string descriptor(char digit, std::string_view artifact_type) {
  return str_cat(R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:)", std::string(64, digit),
                 R"(","size":7,"artifactType":")", artifact_type, R"("})");
}
std::string index_of(const std::string& descriptors) {
  return str_cat(R"({"schemaVersion":2,"mediaType":")", kIndexType, R"(","manifests":[)", descriptors, "]}");
}
const std::string kTwo = index_of(descriptor('1', "a/sbom") + "," + descriptor('2', "a/signature"));
const Digest kSubject = *Digest::parse(str_cat("sha256:", std::string(64, 'e')));

struct Lists : SiteFixture {
  Lists() {
    const Digest digest = upstream.add_manifest(index_of(""), std::string(kIndexType));
    for (const char* tag : {"1", "2", "3"}) upstream.set_tag("app", tag, digest);
  }
  http::Response referrers(const std::string& query = "") {
    return get(str_cat("/v2/app/referrers/", kSubject.to_string(), "?ns=fake.test", query));
  }
};

TEST(TagList, IsUpstreamsWithItsPages) {
  Lists site;

  const auto all = site.get("/v2/app/tags/list?ns=fake.test");
  const auto page = site.get("/v2/app/tags/list?n=1&last=1&ns=fake.test");

  EXPECT_EQ(all.body, R"({"name":"app","tags":["1","2","3"]})");
  EXPECT_EQ(all.head.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(all.head.headers.find("Link"), std::nullopt);
  EXPECT_EQ(page.body, R"({"name":"app","tags":["2"]})");
  EXPECT_EQ(page.head.headers.get("Link"), R"(</v2/app/tags/list?n=1&last=2&ns=fake.test>; rel="next")");
}

TEST(TagList, IsSortedAndCutWhereUpstreamGivesAllInAnyOrder) {
  Lists site;
  site.upstream.give_all_tags(R"({"name":"app","tags":["3","1","2"]})");

  const auto all = site.get("/v2/app/tags/list?ns=fake.test");
  const auto page = site.get("/v2/app/tags/list?n=1&last=1&ns=fake.test");

  EXPECT_EQ(all.body, R"({"name":"app","tags":["1","2","3"]})");
  EXPECT_EQ(page.body, R"({"name":"app","tags":["2"]})");
  EXPECT_EQ(page.head.headers.get("Link"), R"(</v2/app/tags/list?n=1&last=2&ns=fake.test>; rel="next")");
}

TEST(TagList, OfAnAnswerThatIsNoListIsAnError) {
  for (const char* body : {"<html>", "[]", R"({"tags":1})", R"({"tags":[1]})", R"({"tags":)"}) {
    Lists site;
    site.upstream.give_all_tags(body);
    EXPECT_EQ(site.get("/v2/app/tags/list?ns=fake.test").head.status, 502) << body;
  }
}

TEST(TagList, IsWhatWasPulledWhileUpstreamIsAway) {
  Lists site;
  site.manifest("1");
  site.manifest("3");
  site.upstream.answer("/", 503);

  const auto all = site.get("/v2/app/tags/list?ns=fake.test");
  const auto page = site.get("/v2/app/tags/list?n=1&ns=fake.test");

  EXPECT_EQ(all.body, R"({"name":"app","tags":["1","3"]})");
  EXPECT_NE(all.head.headers.get("Samara-Stale"), "");
  EXPECT_EQ(page.body, R"({"name":"app","tags":["1"]})");
  EXPECT_EQ(page.head.headers.get("Link"), R"(</v2/app/tags/list?n=1&last=1&ns=fake.test>; rel="next")");
  EXPECT_EQ(site.get("/v2/app/tags/list?n=x&ns=fake.test").head.status, 400);
}

TEST(TagList, FailsWhenNobodyHasIt) {
  Lists site;

  site.upstream.answer("/tags/", 404);
  const auto unknown = site.get("/v2/app/tags/list?ns=fake.test");
  site.upstream.answer("/tags/", 500);
  const auto away = site.get("/v2/app/tags/list?ns=fake.test");

  EXPECT_EQ(unknown.head.status, 404);
  EXPECT_THAT(unknown.body, HasSubstr("NAME_UNKNOWN"));
  EXPECT_EQ(away.head.status, 502);
}

TEST(Referrers, AreUpstreams) {
  Lists site;
  site.upstream.set_referrers(kSubject, kTwo);

  const auto answer = site.referrers();

  EXPECT_EQ(answer.head.status, 200);
  EXPECT_EQ(answer.body, kTwo);
  EXPECT_EQ(answer.head.headers.get("Content-Type"), kIndexType);
  EXPECT_EQ(answer.head.headers.find("OCI-Filters-Applied"), std::nullopt);
}

TEST(Referrers, AreFilteredWhetherUpstreamDoesThatOrNot) {
  Lists site;
  site.upstream.set_referrers(kSubject, kTwo);

  const auto answer = site.referrers("&artifactType=a%2Fsbom");

  EXPECT_EQ(answer.head.headers.get("OCI-Filters-Applied"), "artifactType");
  EXPECT_THAT(answer.body, HasSubstr(std::string(64, '1')));
  EXPECT_THAT(answer.body, Not(HasSubstr(std::string(64, '2'))));
}

TEST(Referrers, AreVerbatimWhenUpstreamHasFiltered) {
  Lists site;
  site.upstream.set_referrers(kSubject, kTwo, "artifactType");

  EXPECT_EQ(site.referrers("&artifactType=a%2Fsbom").body, kTwo);
}

TEST(Referrers, AreNoneWhereUpstreamDoesNotKnowThem) {
  Lists site;

  const auto answer = site.referrers(), filtered = site.referrers("&artifactType=a");

  EXPECT_EQ(answer.head.status, 200);
  EXPECT_EQ(answer.head.headers.get("Content-Type"), kIndexType);
  EXPECT_THAT(answer.body, HasSubstr(kEmpty));
  EXPECT_EQ(filtered.head.status, 200);
  EXPECT_THAT(filtered.body, HasSubstr(kEmpty));
}

TEST(Referrers, AreThoseOfTheTagWhereUpstreamHasNoEndpoint) {
  Lists site;
  const Digest index = site.upstream.add_manifest(kTwo, std::string(kIndexType));
  site.upstream.set_tag("app", "sha256-" + kSubject.hex(), index);

  EXPECT_EQ(site.referrers().body, kTwo);
  EXPECT_THAT(site.referrers("&artifactType=a%2Fsignature").body, Not(HasSubstr(std::string(64, '1'))));
}

TEST(Referrers, AreTheLastKnownWhileUpstreamIsAway) {
  Lists site;
  site.upstream.set_referrers(kSubject, kTwo);
  site.referrers();
  site.upstream.answer("/", 503);

  const auto known = site.referrers(), unknown = site.referrers("&artifactType=never-asked");

  EXPECT_EQ(known.body, kTwo);
  EXPECT_NE(known.head.headers.get("Samara-Stale"), "");
  EXPECT_EQ(unknown.head.status, 502);
}

TEST(Referrers, AreNotClaimedToBeNoneWhereAccessIsRefused) {
  Lists site;
  site.upstream.answer("/", 403);

  EXPECT_EQ(site.referrers().head.status, 404);
}

TEST(Referrers, OfAnAnswerThatIsNoIndexAreAnError) {
  Lists site;
  site.upstream.set_referrers(kSubject, "<html>sign in</html>");

  EXPECT_EQ(site.referrers().head.status, 502);
}

TEST(Catalog, NamesWhatWasPulledThroughHere) {
  Lists site;
  site.upstream.set_tag("b/c", "1", site.upstream.add_manifest(index_of(""), std::string(kIndexType)));

  const auto nothing = site.get("/v2/_catalog?ns=fake.test");
  site.manifest("1");
  site.get("/v2/b/c/manifests/1?ns=fake.test");
  const auto all = site.get("/v2/_catalog?ns=fake.test"), page = site.get("/v2/_catalog?ns=fake.test&n=1");

  EXPECT_EQ(nothing.body, R"({"repositories":[]})");
  EXPECT_EQ(all.body, R"({"repositories":["app","b/c"]})");
  EXPECT_EQ(page.body, R"({"repositories":["app"]})");
  EXPECT_EQ(page.head.headers.get("Link"), R"(</v2/_catalog?n=1&last=app&ns=fake.test>; rel="next")");
  EXPECT_EQ(site.get("/v2/_catalog?ns=other.test").body, R"({"repositories":[]})");
}

}  // namespace
}  // namespace samara::registry_proxy
