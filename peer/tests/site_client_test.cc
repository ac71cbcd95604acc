#include "peer/site_client.h"

#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <mutex>

#include "base/file.h"
#include "base/http/server.h"
#include "base/text.h"
#include "cache_index/hasher.h"

namespace samara::peer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A site on loopback whose answers a test makes up.
class TestSite {
 public:
  explicit TestSite(http::Handler handler)
      : server_(*http::Server::create({}, [this, handler = std::move(handler)](const http::Request& request,
                                                                               http::ResponseWriter& answer) {
          {
            const std::lock_guard lock(mutex_);
            ranges_.emplace_back(request.headers.get("Range"));
          }
          handler(request, answer);
        })) {}

  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }
  std::vector<std::string> ranges() const {
    const std::lock_guard lock(mutex_);
    return ranges_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> ranges_;
  std::unique_ptr<http::Server> server_;
};

/// Serves `bytes` as every object, ranges as asked.
http::Handler serving(std::string bytes) {
  return [bytes](const http::Request& request, http::ResponseWriter& answer) {
    const auto range = parse_range(request.headers.get("Range"), bytes.size());
    if (!range.ok()) return (void)answer.respond(416);
    answer.header("Content-Range", "bytes " + std::to_string(range->begin) + "-" + std::to_string(range->end - 1) + "/" +
                                       std::to_string(bytes.size()));
    (void)answer.respond(206, std::string_view(bytes).substr(range->begin, range->size()));
  };
}

http::Handler answering(int status, std::string body = "") {
  return [status, body](const http::Request&, http::ResponseWriter& answer) { (void)answer.respond(status, body); };
}

/// Promises the rest of `bytes` and closes after `count` of it, the first `times` times; then serves it.
http::Handler cutting(std::string bytes, std::size_t count, int times) {
  auto left = std::make_shared<std::atomic<int>>(times);
  return [=](const http::Request& request, http::ResponseWriter& answer) {
    if (left->fetch_sub(1) <= 0) return serving(bytes)(request, answer);
    const ByteRange range = parse_range(request.headers.get("Range"), bytes.size()).value();
    answer.header("Content-Range", "bytes " + std::to_string(range.begin) + "-" + std::to_string(range.end - 1) + "/" +
                                       std::to_string(bytes.size()));
    (void)answer.begin(206, range.size());
    (void)answer.write(as_bytes(std::string_view(bytes).substr(range.begin, count)));
  };
}

class SiteClientTest : public ::testing::Test {
 protected:
  absl::Status fetch(SiteClient& site, ByteRange range) {
    return site.fetch(object_, range, {}, [&](std::span<const std::uint8_t> part) {
      got_.append(as_text(part));
      return absl::OkStatus();
    });
  }

  std::unique_ptr<cache_index::Cache> cache() {
    auto cache = cache_index::Cache::open({.root = dir_.path()});
    EXPECT_TRUE(cache.ok()) << cache.status();
    return *std::move(cache);
  }

  TempDir dir_ = *TempDir::create("site_client");
  const std::string bytes_ = "the winged seed of a maple";
  const Digest object_ = cache_index::sha256(as_bytes(bytes_));
  http::Client client_;
  std::string got_;
};

TEST_F(SiteClientTest, FetchesExactlyARange) {
  const TestSite site(serving(bytes_));
  SiteClient client(client_, {site.url() + "/"});

  const absl::Status status = fetch(client, {4, 10});

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(got_, "winged");
  EXPECT_THAT(site.ranges(), ElementsAre("bytes=4-9"));
}

TEST_F(SiteClientTest, TakesAWholeAnswerOnlyForAWholeObject) {
  const TestSite site(answering(200, bytes_));
  SiteClient client(client_, {site.url()});

  EXPECT_TRUE(fetch(client, {0, bytes_.size()}).ok());
  EXPECT_EQ(got_, bytes_);

  EXPECT_TRUE(absl::IsDataLoss(fetch(client, {4, 10})));
  EXPECT_TRUE(absl::IsDataLoss(fetch(client, {0, 10})));
}

TEST_F(SiteClientTest, RefusesAnotherRangeThanItAskedFor) {
  const TestSite site([this](const http::Request&, http::ResponseWriter& answer) {
    answer.header("Content-Range", "bytes 5-10/26");
    (void)answer.respond(206, "inged ");
  });
  SiteClient client(client_, {site.url()});

  const absl::Status status = fetch(client, {4, 10});

  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_EQ(got_, "");
}

TEST_F(SiteClientTest, NamesUrlAndStatusOfARefusal) {
  for (const auto& [http, code] : {std::pair(404, absl::StatusCode::kNotFound), {500, absl::StatusCode::kUnavailable},
                                   {401, absl::StatusCode::kUnavailable}, {416, absl::StatusCode::kDataLoss}}) {
    const TestSite site(answering(http));
    SiteClient client(client_, {site.url()});

    const absl::Status status = fetch(client, {4, 10});

    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(site.url() + "/samara/v1/objects/" + object_.to_string()));
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::to_string(http)));
  }
}

TEST_F(SiteClientTest, TurnsToTheNextUrlAndStaysWithIt) {
  const TestSite broken(answering(503)), working(serving(bytes_));
  SiteClient client(client_, {broken.url(), working.url()});

  ASSERT_TRUE(fetch(client, {4, 10}).ok());
  ASSERT_TRUE(fetch(client, {0, 3}).ok());

  EXPECT_EQ(got_, "wingedthe");
  EXPECT_EQ(broken.ranges().size(), 1u);
  EXPECT_EQ(working.ranges().size(), 2u);
}

TEST_F(SiteClientTest, GoesOnAtTheNextUrlWhereTheFirstBroke) {
  const TestSite cut(cutting(bytes_, 4, 100)), working(serving(bytes_));
  SiteClient client(client_, {cut.url(), working.url()});

  const absl::Status status = fetch(client, {0, 10});

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(got_, "the winged");
  EXPECT_THAT(working.ranges(), ElementsAre("bytes=4-9"));
}

TEST_F(SiteClientTest, EndsAtOnceWithTheReceiversError) {
  const TestSite first(serving(bytes_)), second(serving(bytes_));
  SiteClient client(client_, {first.url(), second.url()});

  const absl::Status status = client.fetch(object_, {4, 10}, {}, [](std::span<const std::uint8_t>) {
    return absl::ResourceExhaustedError("no room");
  });

  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_TRUE(second.ranges().empty());
}

TEST_F(SiteClientTest, IsCancelledByItsToken) {
  const TestSite site(serving(bytes_));
  SiteClient client(client_, {site.url()});
  std::stop_source stop;
  stop.request_stop();

  const absl::Status status =
      client.fetch(object_, {4, 10}, stop.get_token(), [](std::span<const std::uint8_t>) { return absl::OkStatus(); });

  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST_F(SiteClientTest, BringsAnObjectIntoTheCacheOnce) {
  const TestSite site(serving(bytes_));
  SiteClient client(client_, {site.url()});
  const auto cache = this->cache();

  const absl::Status first = client.fetch_object(object_, bytes_.size(), *cache);
  const absl::Status again = client.fetch_object(object_, bytes_.size(), *cache);

  ASSERT_TRUE(first.ok()) << first;
  EXPECT_TRUE(again.ok()) << again;
  EXPECT_TRUE(cache->has_object(object_));
  EXPECT_EQ(site.ranges().size(), 1u);
}

TEST_F(SiteClientTest, ResumesAnObjectsBrokenTransfer) {
  const TestSite site(cutting(bytes_, 5, 3));
  SiteClient client(client_, {site.url()});
  const auto cache = this->cache();

  const absl::Status status = client.fetch_object(object_, bytes_.size(), *cache);

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(cache->has_object(object_));
  EXPECT_THAT(site.ranges(), ElementsAre("bytes=0-25", "bytes=5-25", "bytes=10-25", "bytes=15-25"));
}

TEST_F(SiteClientTest, GivesUpAnObjectThatNeverComes) {
  const TestSite site(cutting(bytes_, 0, 100));
  SiteClient client(client_, {site.url()});
  const auto cache = this->cache();

  const absl::Status status = client.fetch_object(object_, bytes_.size(), *cache);

  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_FALSE(cache->has_object(object_));
}

TEST_F(SiteClientTest, KeepsNothingOfAnObjectWithWrongBytes) {
  const TestSite site(serving(std::string(bytes_.size(), '?')));
  SiteClient client(client_, {site.url()});
  const auto cache = this->cache();

  const absl::Status status = client.fetch_object(object_, bytes_.size(), *cache);

  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_FALSE(cache->has_object(object_));
}

TEST_F(SiteClientTest, TakesAnObjectFromTheUrlWhoseBytesAreRight) {
  const TestSite wrong(serving(std::string(bytes_.size(), '?'))), right(serving(bytes_));
  SiteClient client(client_, {wrong.url(), right.url()});
  const auto cache = this->cache();

  const absl::Status status = client.fetch_object(object_, bytes_.size(), *cache);

  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(cache->has_object(object_));
}

TEST_F(SiteClientTest, AsksForALayer) {
  LayerStatus known;
  known.state = LayerStatus::State::kConverted;
  known.record = {.layer = object_, .index = Digest::sha256({1}), .blob = Digest::sha256({2}), .index_size = 7, .blob_size = 8};
  std::promise<http::Target> asked_once;
  const TestSite site([&](const http::Request& request, http::ResponseWriter& answer) {
    asked_once.set_value(request.target);
    (void)answer.respond(200, encode(known));
  });
  SiteClient client(client_, {site.url()});

  const auto status = client.layer_status({.layer = object_,
                                           .registry = "registry.example:5000",
                                           .repository = "team/a&b",
                                           .size = 99,
                                           .wait = std::chrono::milliseconds(1500)});

  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->record.index, known.record.index);
  const http::Target asked = asked_once.get_future().get();
  EXPECT_EQ(asked.path, "/samara/v1/layers/" + object_.to_string());
  EXPECT_EQ(asked.query_value("ns"), "registry.example:5000");
  EXPECT_EQ(asked.query_value("repo"), "team/a&b");
  EXPECT_EQ(asked.query_value("size"), "99");
  EXPECT_EQ(asked.query_value("wait"), "1500");
}

TEST_F(SiteClientTest, TellsAndHearsWhatAStartReads) {
  const StartTrace start{.starts = 1, .layers = {object_}, .chunks = {{object_, 3}, {object_, 4}}, .unused = {{object_, 9}}, .image = ""};
  std::promise<http::Target> told;
  const TestSite site([&](const http::Request& request, http::ResponseWriter& answer) {
    if (request.method == "POST") told.set_value(request.target);
    (void)answer.respond(200, encode(start));
  });
  SiteClient client(client_, {site.url()});

  const absl::Status reported = client.report_start(start);
  const auto heard = client.start_trace(object_);

  EXPECT_TRUE(reported.ok()) << reported;
  const http::Target target = told.get_future().get();
  EXPECT_EQ(target.path, str_cat(kTracesPath, object_.to_string()));
  EXPECT_EQ(target.query_value("read"), "0:3-4");
  EXPECT_EQ(target.query_value("unused"), "0:9");
  ASSERT_TRUE(heard.ok()) << heard.status();
  EXPECT_EQ(heard->chunks, start.chunks);
}

TEST_F(SiteClientTest, SaysThatNothingIsKnownOfAStart) {
  const TestSite nothing(answering(404)), nonsense(answering(200, "<html>")), refusing(answering(400, "no"));

  EXPECT_TRUE(absl::IsNotFound(SiteClient(client_, {nothing.url()}).start_trace(object_).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(SiteClient(client_, {nonsense.url()}).start_trace(object_).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(SiteClient(client_, {refusing.url()}).report_start(
      {.starts = 1, .layers = {object_}, .chunks = {}, .unused = {}, .image = ""})));
}

TEST_F(SiteClientTest, RefusesAnAnswerThatIsNoLayerStatus) {
  LayerStatus other;
  other.state = LayerStatus::State::kConverted;
  other.record.layer = Digest::sha256({9});
  for (const auto& [http, body] : {std::pair(200, std::string("<html>")), {404, std::string()}, {200, encode(other)}}) {
    const TestSite site(answering(http, body));
    SiteClient client(client_, {site.url()});

    const auto status = client.layer_status({.layer = object_});

    EXPECT_TRUE(absl::IsInvalidArgument(status.status())) << status.status();
    EXPECT_THAT(std::string(status.status().message()), HasSubstr(site.url()));
  }
}

TEST_F(SiteClientTest, SaysThatNoSiteAnswers) {
  std::string gone;
  {
    const TestSite site(answering(200));
    gone = site.url();
  }
  SiteClient client(client_, {gone});

  EXPECT_TRUE(absl::IsUnavailable(client.layer_status({.layer = object_}).status()));
  EXPECT_TRUE(absl::IsUnavailable(fetch(client, {0, 1})));
}

/// A second site of two, which may or may not be able to make what the first one made.
class RemadeTest : public SiteClientTest {
 protected:
  RemadeTest() : cache_(*cache_index::Cache::open({.root = dir_.path()}, LayerOrigins::tables())), origins_(*cache_) {
    record_.layer = cache_index::sha256(as_bytes("layer"));
    record_.index = cache_index::sha256(as_bytes("index"));
    record_.blob = object_;
    record_.index_size = 1;
    record_.blob_size = bytes_.size();
    origins_.note(record_, "docker.io", "library/maple");
  }
  /// Has nothing; asked for the layer it says `state`, and has the object from then on when it is converted.
  http::Handler making(LayerStatus::State state) {
    return [this, state, made = std::make_shared<std::atomic<bool>>(false)](const http::Request& request, http::ResponseWriter& answer) {
      if (!request.target.path.starts_with(kLayersPath))
        return made->load() ? serving(bytes_)(request, answer) : (void)answer.respond(404);
      {
        const std::lock_guard lock(mutex_);
        asked_.push_back(request.target.path.substr(kLayersPath.size()) + " " + std::string(request.target.query_value("ns")) + "/" +
                         std::string(request.target.query_value("repo")));
      }
      *made = state == LayerStatus::State::kConverted;
      LayerStatus status;
      status.state = state;
      status.record = record_;
      status.error = "no such layer";
      (void)answer.respond(200, encode(status));
    };
  }
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

  const std::string away_ = "http://127.0.0.1:1";
  std::unique_ptr<cache_index::Cache> cache_;
  LayerOrigins origins_;
  cache_index::LayerRecord record_;
  std::mutex mutex_;
  std::vector<std::string> asked_;
};

TEST_F(RemadeTest, ASiteThatNeverSawABlobIsAskedForItsLayer) {
  const TestSite second(making(LayerStatus::State::kConverted));
  SiteClient client(client_, {away_, second.url()});
  client.remembers(origins_);

  const absl::Status status = fetch(client, {4, 10});

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(got_, "winged");
  EXPECT_THAT(asked(), ElementsAre(record_.layer.to_string() + " docker.io/library/maple"));
}

TEST_F(RemadeTest, WhileTheLayerIsBeingConvertedTheBlobIsUnavailable) {
  const TestSite second(making(LayerStatus::State::kConverting));
  SiteClient client(client_, {away_, second.url()});
  client.remembers(origins_);

  EXPECT_TRUE(absl::IsUnavailable(fetch(client, {4, 10})));
  EXPECT_TRUE(absl::IsUnavailable(fetch(client, {4, 10})));
  EXPECT_EQ(asked().size(), 2u);
}

TEST_F(RemadeTest, ALayerThatTheSiteMayNotHaveIsNotFound) {
  const TestSite second(making(LayerStatus::State::kFailed));
  SiteClient client(client_, {second.url()});
  client.remembers(origins_);

  const absl::Status status = fetch(client, {4, 10});

  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("no such layer"));
}

TEST_F(RemadeTest, NobodyIsAskedWhileAnotherSiteHasIt) {
  const TestSite first(making(LayerStatus::State::kConverted)), second(serving(bytes_));
  SiteClient client(client_, {first.url(), second.url()});
  client.remembers(origins_);

  ASSERT_TRUE(fetch(client, {4, 10}).ok());

  EXPECT_EQ(got_, "winged");
  EXPECT_TRUE(asked().empty());
}

TEST_F(RemadeTest, WhatASiteSaysOfALayerIsRemembered) {
  const TestSite site(making(LayerStatus::State::kConverted));
  record_.layer = cache_index::sha256(as_bytes("another layer"));
  record_.blob = cache_index::sha256(as_bytes("another blob"));
  SiteClient client(client_, {site.url()});
  client.remembers(origins_);

  ASSERT_TRUE(client.layer_status({.layer = record_.layer, .registry = "docker.io", .repository = "library/oak"}).ok());

  const auto origin = origins_.of(record_.blob);
  ASSERT_TRUE(origin);
  EXPECT_EQ(origin->repository, "library/oak");
}

}  // namespace
}  // namespace samara::peer
