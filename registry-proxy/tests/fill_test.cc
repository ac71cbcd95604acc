#include <gtest/gtest.h>

#include <thread>

#include "site_fixture.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t kMiB = 1u << 20;

TEST(Fill, IsAbandonedWhenNobodyHasReadForLong) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob(numbers(kMiB));
  site.upstream.pause_blob(blob, 1000);
  auto fill = Fill::create({site.repository(), blob, std::nullopt}, **site.upstreams.find("fake.test"),
                           *site.cache->create_object(blob), site.clock, {});
  ASSERT_TRUE(fill.ok());
  absl::Status ended;
  std::jthread runner([&] { ended = (*fill)->run(); });
  ASSERT_TRUE(FillReader(*fill)->wait_size().ok());

  site.clock.advance(seconds(61));
  site.upstream.release();
  runner.join();

  EXPECT_EQ(ended.code(), absl::StatusCode::kCancelled);
}

TEST(Fill, RefusesABlobOfAnotherSizeThanTheManifestSays) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob("12345");

  const auto content = site.blobs.read({site.repository(), blob, 4}, 1000, {});

  EXPECT_EQ(content.status().code(), absl::StatusCode::kDataLoss);
}

TEST(Fill, EndsWhenTheSiteStops) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob(numbers(kMiB));
  site.upstream.pause_blob(blob, 1000);
  auto opened = site.blobs.open({site.repository(), blob, std::nullopt});
  ASSERT_TRUE(opened.ok());

  site.blobs.stop();

  EXPECT_EQ(std::get<FillReader>(*opened)->wait_readable(0).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(site.blobs.open({site.repository(), blob, std::nullopt}).status().code(), absl::StatusCode::kCancelled);
}

TEST(Fill, StopsAReaderThatIsToldToWhetherThereAreBytesOrNot) {
  SiteFixture site;
  const Digest waiting = site.upstream.add_blob(numbers(kMiB)), flowing = site.upstream.add_blob(numbers(2 * kMiB));
  site.upstream.pause_blob(waiting, 1000);
  site.upstream.pause_blob(flowing, kMiB);
  std::stop_source stop;
  const auto dry = site.blobs.stream({site.repository(), waiting, std::nullopt}, stop.get_token());
  const auto wet = site.blobs.stream({site.repository(), flowing, std::nullopt}, stop.get_token());
  ASSERT_TRUE(dry.ok() && wet.ok());
  std::array<std::uint8_t, 16> out;
  ASSERT_EQ((*wet)->read(out).value_or(0), out.size());

  stop.request_stop();

  EXPECT_EQ((*dry)->read(out).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ((*wet)->read(out).status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace samara::registry_proxy
