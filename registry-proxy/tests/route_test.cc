#include "route.h"

#include <gtest/gtest.h>

#include <ostream>

namespace samara::registry_proxy {

// For gtest's messages, and to compare in one piece.
bool operator==(const Route& a, const Route& b) {
  return a.kind == b.kind && a.repository == b.repository && a.reference == b.reference;
}
std::ostream& operator<<(std::ostream& out, const Route& route) {
  return out << static_cast<int>(route.kind) << " " << route.repository << " " << route.reference;
}

namespace {

using Kind = Route::Kind;

TEST(Route, KnowsEveryEndpointOfTheSpecification) {
  EXPECT_EQ(parse_route("/v2/"), (Route{Kind::kBase, "", ""}));
  EXPECT_EQ(parse_route("/v2"), (Route{Kind::kBase, "", ""}));
  EXPECT_EQ(parse_route("/v2/a/b/blobs/sha256:00"), (Route{Kind::kBlob, "a/b", "sha256:00"}));
  EXPECT_EQ(parse_route("/v2/a/manifests/1.2"), (Route{Kind::kManifest, "a", "1.2"}));
  EXPECT_EQ(parse_route("/v2/a/blobs/uploads"), (Route{Kind::kUpload, "a", ""}));
  EXPECT_EQ(parse_route("/v2/a/blobs/uploads/"), (Route{Kind::kUpload, "a", ""}));
  EXPECT_EQ(parse_route("/v2/a/blobs/uploads/some-id"), (Route{Kind::kUpload, "a", "some-id"}));
  EXPECT_EQ(parse_route("/v2/a/tags/list"), (Route{Kind::kTags, "a", ""}));
  EXPECT_EQ(parse_route("/v2/a/referrers/sha256:00"), (Route{Kind::kReferrers, "a", "sha256:00"}));
  EXPECT_EQ(parse_route("/v2/_catalog"), (Route{Kind::kCatalog, "", ""}));
}

TEST(Route, ReadsFromTheRight) {
  EXPECT_EQ(parse_route("/v2/a/manifests/b/manifests/1"), (Route{Kind::kManifest, "a/manifests/b", "1"}));
  EXPECT_EQ(parse_route("/v2/blobs/uploads/tags/list"), (Route{Kind::kTags, "blobs/uploads", ""}));
  EXPECT_EQ(parse_route("/v2/tags/list/blobs/sha256:00"), (Route{Kind::kBlob, "tags/list", "sha256:00"}));
}

TEST(Route, IsNothingForOtherPaths) {
  for (const char* path : {"", "/", "/v1/", "/v2x", "/v2x/a/manifests/1", "/v2//", "/v2///", "/v2////", "/v2/a", "/v2/a/b",
                           "/v2/manifests/1", "/v2/a/tags/all", "/v2/a/uploads/1", "/v2/a/layers/1", "/v2/_catalog/x"})
    EXPECT_EQ(parse_route(path), Route()) << path;
}

TEST(Route, LeavesEmptyReferencesToTheirGrammar) {
  EXPECT_EQ(parse_route("/v2/a/manifests/"), (Route{Kind::kManifest, "a", ""}));
  EXPECT_EQ(parse_route("/v2/a/blobs/"), (Route{Kind::kBlob, "a", ""}));
}

}  // namespace
}  // namespace samara::registry_proxy
