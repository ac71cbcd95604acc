#include "pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace samara::registry_proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<std::string> kNames{"a", "b", "c", "d"};

http::Target target(std::string_view text) { return *http::parse_target(text); }

TEST(Page, HoldsEverythingUnlessAsked) {
  const auto page = page_of(kNames, target("/"), 100);

  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->names, kNames);
  EXPECT_FALSE(page->more);
}

TEST(Page, BeginsAfterTheLastAndHasAtMostN) {
  const auto first = page_of(kNames, target("/?n=2"), 100), second = page_of(kNames, target("/?n=2&last=b"), 100);
  const auto third = page_of(kNames, target("/?n=2&last=d"), 100), gone = page_of(kNames, target("/?last=bb"), 100);

  EXPECT_THAT(first->names, ElementsAre("a", "b"));
  EXPECT_TRUE(first->more);
  EXPECT_THAT(second->names, ElementsAre("c", "d"));
  EXPECT_FALSE(second->more);
  EXPECT_THAT(third->names, IsEmpty());
  EXPECT_THAT(gone->names, ElementsAre("c", "d"));
}

TEST(Page, OfNoneIsEmptyAndTheLast) {
  const auto page = page_of(kNames, target("/?n=0"), 100);

  EXPECT_THAT(page->names, IsEmpty());
  EXPECT_FALSE(page->more);
}

TEST(Page, IsNeverLongerThanTheLimit) {
  EXPECT_THAT(page_of(kNames, target("/?n=99999999999"), 3)->names, ElementsAre("a", "b", "c"));
  EXPECT_FALSE(page_of(kNames, target("/?n=-1"), 3).ok());
  EXPECT_FALSE(page_of(kNames, target("/?n=many"), 3).ok());
}

TEST(Page, IsKnownFromAListThatIgnoresTheQuestion) {
  EXPECT_TRUE(is_page(kNames, target("/")));
  EXPECT_TRUE(is_page({}, target("/?n=0&last=z")));
  EXPECT_TRUE(is_page({"a", "B", "c"}, target("/?n=3")));
  EXPECT_TRUE(is_page({"c", "d"}, target("/?n=2&last=b")));
  EXPECT_FALSE(is_page({"b", "a"}, target("/")));
  EXPECT_FALSE(is_page(kNames, target("/?n=3")));
  EXPECT_FALSE(is_page(kNames, target("/?last=b")));
}

TEST(NextLink, LeadsOnFromTheLastName) {
  const http::Target request = target("/v2/a/tags/list?n=2&ns=reg.test:5000");

  EXPECT_EQ(next_link(request, *page_of(kNames, request, 100)),
            "</v2/a/tags/list?n=2&last=b&ns=reg.test%3A5000>; rel=\"next\"");
}

TEST(TranslatedLink, KeepsUpstreamsQueryAndTheClientsPath) {
  const http::Target request = target("/v2/python/tags/list?ns=docker.io&n=5");

  EXPECT_EQ(upstream_query(request), "n=5");
  EXPECT_EQ(translate_link("</v2/library/python/tags/list?last=3%2B&n=5>; rel=\"next\"", request),
            "</v2/python/tags/list?last=3%2B&n=5&ns=docker.io>; rel=\"next\"");
  EXPECT_EQ(translate_link("<https://elsewhere.test/x?page=2&ns=evil>;REL=next", request),
            "</v2/python/tags/list?page=2&ns=docker.io>; rel=\"next\"");
  EXPECT_EQ(translate_link("</a?x=1>; rel=\"prev\", </b?x=2>; rel=\"next\"", request),
            "</v2/python/tags/list?x=2&ns=docker.io>; rel=\"next\"");
}

TEST(TranslatedLink, IsNothingWhereUpstreamNamesNoPage) {
  for (const char* link : {"", "</a?x=1>", "</a>; rel=\"next\"", "</a?x=1; rel=next", "<", "</a?x=%zz>; rel=\"next\""})
    EXPECT_EQ(translate_link(link, target("/v2/a/tags/list")), "") << link;
}

}  // namespace
}  // namespace samara::registry_proxy
