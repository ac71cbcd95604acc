#include "registry_proxy/start_traces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/http/client.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "sample_layer.h"

namespace samara::registry_proxy {
namespace {

using testing::ElementsAre;
using testing::SizeIs;
using Chunk = peer::StartTrace::Chunk;

class StartTracesTest : public ::testing::Test {
 protected:
  /// Puts a layer into the cache as a conversion does; returns its diffID.
  Digest convert(std::uint64_t seed) {
    const TempDir directory = *TempDir::create("layer");
    const auto layer = *cache_index::write_sample_layer(
        directory.path(), {{.path = "big", .content = cache_index::sample_bytes(seed, 4 << 20)}});
    cache_index::LayerRecord record;
    record.layer = cache_index::sha256(as_bytes(layer.tar));
    record.index = layer.written.index;
    record.blob = layer.written.info.blob;
    EXPECT_TRUE(cache_->put_object(record.index, as_bytes(*read_file(layer.index_path))).ok());
    EXPECT_TRUE(cache_->put_layer(record).ok());
    return layer.written.info.diff_id;
  }
  http::Response ask(const std::string& method, const Digest& chain, const std::string& query = "") {
    http::ClientRequest request;
    request.method = method;
    request.url = str_cat("http://127.0.0.1:", server_->port(), peer::kTracesPath, chain.to_string(), query);
    const auto response = client_.get(request);
    return response.ok() ? *response : http::Response{};
  }
  int report(const std::vector<Digest>& layers, std::vector<Chunk> read, std::set<Chunk> unused = {}) {
    const peer::StartTrace start{.starts = 1, .layers = layers, .chunks = std::move(read), .unused = std::move(unused), .image = ""};
    return ask("POST", peer::chain_id(layers), peer::to_query(start)).head.status;
  }

  TempDir directory_ = *TempDir::create("traces");
  std::unique_ptr<cache_index::Cache> cache_ = *cache_index::Cache::open({.root = directory_.path()}, StartTraces::tables());
  StartTraces traces_{*cache_};
  http::Client client_;
  std::unique_ptr<http::Server> server_ =
      *http::Server::create({}, [this](const http::Request& request, http::ResponseWriter& out) { traces_.handle(request, out); });
};

TEST_F(StartTracesTest, MergesWhatNodesSayAndTellsTheNext) {
  const Digest lower = convert(1), upper = convert(2);

  EXPECT_EQ(report({lower, upper}, {{upper, 3}, {lower, 0}}), 200);
  EXPECT_EQ(report({lower, upper}, {{lower, 0}, {upper, 1}}), 200);
  const auto answer = ask("GET", peer::chain_id({lower, upper}));

  EXPECT_EQ(answer.head.status, 200);
  const auto trace = peer::decode_start_trace(answer.body);
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_EQ(trace->starts, 2u);
  EXPECT_THAT(trace->chunks, ElementsAre(Chunk{upper, 3}, Chunk{lower, 0}, Chunk{upper, 1}));
}

TEST_F(StartTracesTest, ForgetsWhatTurnedOutWrong) {
  const Digest layer = convert(1);
  report({layer}, {{layer, 1}, {layer, 2}});

  report({layer}, {{layer, 1}}, {{layer, 2}});
  report({layer}, {{layer, 1}}, {{layer, 2}});

  EXPECT_THAT(traces_.find(layer)->chunks, ElementsAre(Chunk{layer, 1}));
}

TEST_F(StartTracesTest, KnowsAnImageByItsChain) {
  const Digest lower = convert(1), upper = convert(2);
  report({lower}, {{lower, 1}});

  EXPECT_EQ(ask("GET", peer::chain_id({lower, upper})).head.status, 404);
}

TEST_F(StartTracesTest, DoesNotBelieveWhatCannotBe) {
  const Digest layer = convert(1), unknown = cache_index::sha256(as_bytes("unknown"));
  const std::string layers = str_cat("?layers=", layer.to_string());

  EXPECT_EQ(ask("POST", unknown, layers + "&read=0:1").head.status, 400);  // another chain
  EXPECT_EQ(ask("POST", layer, layers + "&read=0:100000").head.status, 400);
  EXPECT_EQ(ask("POST", layer, layers + "&read=1:1").head.status, 400);
  EXPECT_EQ(ask("POST", layer, "").head.status, 400);
  EXPECT_EQ(report({unknown}, {{unknown, 1}}), 404);
  EXPECT_EQ(ask("PUT", layer).head.status, 405);
  EXPECT_TRUE(absl::IsNotFound(traces_.find(layer).status()));
}

TEST_F(StartTracesTest, LearnsAboutLayersThatAreConvertedLater) {
  const Digest lower = convert(1);
  report({lower}, {{lower, 1}});
  const Digest upper = convert(2);

  EXPECT_EQ(report({lower, upper}, {{upper, 2}}), 200);
}

TEST_F(StartTracesTest, LearnsAnewWhatADamagedRowHeld) {
  const Digest layer = convert(1);
  ASSERT_TRUE(cache_->store().write({{"start_traces", layer.key(), "damaged"}}).ok());

  EXPECT_EQ(ask("GET", layer).head.status, 500);
  EXPECT_EQ(report({layer}, {{layer, 2}}), 200);

  EXPECT_THAT(traces_.find(layer)->chunks, ElementsAre(Chunk{layer, 2}));
}

}  // namespace
}  // namespace samara::registry_proxy
