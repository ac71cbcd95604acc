#include "registry_proxy/standbys.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <optional>

#include "base/text.h"
#include "cache_index/hasher.h"
#include "site_fixture.h"
#include "tar_builder.h"

namespace samara::registry_proxy {
namespace {

using State = peer::LayerStatus::State;

constexpr std::chrono::milliseconds kPatience{60'000};

FakeUpstream::Layer a_layer() {
  const std::string tar = convert::TarBuilder().file("maple", std::string(300'000, 'm')).end();
  return {convert::gzip(tar), tar};
}

/// A site that tells of its layers.
struct Telling {
  explicit Telling(const std::string& standby) : standbys(client, {.urls = {standby}, .first_retry = std::chrono::milliseconds(1)}, {}) {
    SiteFixture::Settings settings;
    settings.conversions.on_ready = [this](const BlobRef& layer) { standbys.tell(layer); };
    site.emplace(std::move(settings));
  }
  http::Client client;
  Standbys standbys;
  std::optional<SiteFixture> site;
};

TEST(Standbys, HaveEveryLayerThatASiteHasConverted) {
  SiteFixture standby{SiteFixture::Settings()};
  Telling telling(standby.url());
  const auto image = telling.site->upstream.add_image("app", "1", {a_layer()});
  standby.upstream.add_image("app", "1", {a_layer()});

  telling.site->manifest("1");
  standby.upstream.wait_for_request(image.layers[0].to_string());  // nobody else asked it for anything

  const auto theirs = standby.conversions.status(image.layers[0], kPatience);
  const auto ours = telling.site->conversions.status(image.layers[0], kPatience);
  ASSERT_EQ(theirs.state, State::kConverted) << theirs.error;
  EXPECT_EQ(theirs.record.index, ours.record.index);
  EXPECT_EQ(theirs.record.blob, ours.record.blob);
}

TEST(Standbys, AreToldLaterWhenTheyWereAway) {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> asked;
  const auto server = *http::Server::create({}, [&](const http::Request& request, http::ResponseWriter& out) {
    const std::lock_guard lock(mutex);
    asked.push_back(request.target.path);
    peer::LayerStatus status;
    status.state = State::kConverting;
    if (asked.size() <= 3) return (void)out.respond(503);
    (void)out.respond(200, peer::encode(status));
    changed.notify_all();
  });
  http::Client client;
  Standbys standbys(client, {.urls = {str_cat("http://127.0.0.1:", server->port())}, .first_retry = std::chrono::milliseconds(1)}, {});
  const Digest one = cache_index::sha256(as_bytes("one")), two = cache_index::sha256(as_bytes("two"));

  standbys.tell({{"fake.test", "app"}, one, 1});
  standbys.tell({{"fake.test", "app"}, two, 1});

  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, kPatience, [&] { return asked.size() == 5; }));
  EXPECT_EQ(asked[3], str_cat(peer::kLayersPath, one.to_string()));
  EXPECT_EQ(asked[4], str_cat(peer::kLayersPath, two.to_string()));
}

TEST(Standbys, ThatAreAwayHoldNobodyUpWhoStops) {
  http::Client client;
  Standbys standbys(client, {.urls = {"http://127.0.0.1:1"}, .first_retry = std::chrono::hours(1)}, {});

  standbys.tell({{"fake.test", "app"}, cache_index::sha256(as_bytes("one")), 1});
  standbys.stop();
}

}  // namespace
}  // namespace samara::registry_proxy
