#include "upstream_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "single_flight.h"
#include "site_fixture.h"

namespace samara::registry_proxy {
namespace {

using ::testing::HasSubstr;

TEST(UpstreamMetrics, CountRequestsBytesAndTokens) {
  SiteFixture site;
  site.upstream.want_bearer(300);
  const Digest blob = site.upstream.add_blob("12345");
  site.blob(blob);
  site.manifest("missing");

  const std::string text = site.metrics.expose();

  EXPECT_THAT(text, HasSubstr("samara_site_upstream_requests_total{class=\"blob\",result=\"ok\"} 1"));
  EXPECT_THAT(text, HasSubstr("samara_site_upstream_requests_total{class=\"manifest\",result=\"absent\"} 1"));
  EXPECT_THAT(text, HasSubstr("samara_site_upstream_bytes_total{class=\"blob\"} 5"));
  EXPECT_THAT(text, HasSubstr("samara_site_token_fetches_total{result=\"ok\"} 1"));
}

TEST(UpstreamMetrics, CountWhoGotWhatWasOnItsWay) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob("content");
  site.upstream.hang(blob.to_string());

  const auto first = site.blobs.open({site.repository(), blob, std::nullopt});
  const auto second = site.blobs.open({site.repository(), blob, std::nullopt});

  EXPECT_THAT(site.metrics.expose(), HasSubstr("samara_site_joined_total{class=\"blob\"} 1"));
}

TEST(SingleFlight, CountsThoseWhoJoinOne) {
  Metrics metrics;
  Metrics::Counter& joined = UpstreamMetrics::joined(metrics, "manifest");
  SingleFlight<int> flights(&joined);
  std::jthread second;
  int of_second = 0;

  const int of_first = flights.run("key", [&] {
    second = std::jthread([&] { of_second = flights.run("key", [] { return 2; }); });
    while (joined.value() < 1) std::this_thread::yield();
    return 1;
  });
  second.join();

  EXPECT_EQ(of_first, 1);
  EXPECT_EQ(of_second, 1);
}

}  // namespace
}  // namespace samara::registry_proxy
