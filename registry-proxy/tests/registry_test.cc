// The mirror between Debian's docker-registry and skopeo.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "cache_index/hasher.h"
#include "child_process.h"
#include "oci_layout.h"
#include "site_fixture.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::milliseconds;
using State = peer::LayerStatus::State;

class RegistryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string config = directory_.path() + "/registry.yml";
    ASSERT_TRUE(write_file_atomic(config, str_cat("version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: ",
                                                  directory_.path(), "/registry}}\nhttp: {addr: \"", address_, "\"}\n"))
                    .ok());
    registry_ = std::make_unique<ChildProcess>(std::vector<std::string>{"docker-registry", "serve", config});
    ASSERT_TRUE(registry_->wait_for_output("listening on")) << registry_->output();
    copy({"--dest-tls-verify=false", str_cat("oci:", directory_.path(), "/layout:1"),
          str_cat("docker://", address_, "/app:1")});

    SiteFixture::Settings settings;
    settings.upstream.urls = {str_cat("http://", address_)};
    site_ = std::make_unique<SiteFixture>(settings);
  }
  void copy(std::vector<std::string> arguments) {
    const auto [code, output] = skopeo_copy(std::move(arguments));
    ASSERT_EQ(code, 0) << output;
  }

  const TempDir directory_ = *TempDir::create("registry");
  const Layout layout_{directory_.path() + "/layout"};
  const std::string address_ = str_cat("127.0.0.1:", free_port());
  std::unique_ptr<ChildProcess> registry_;
  std::unique_ptr<SiteFixture> site_;
};

TEST_F(RegistryTest, MirrorsAnImageAndConvertsItsLayers) {
  const auto manifest = site_->manifest("1");
  std::vector<std::string> layers;
  std::vector<State> states;
  for (const std::string& bytes : layout_.layer_bytes) {
    const Digest digest = cache_index::sha256(as_bytes(bytes));
    layers.push_back(site_->blob(digest).body);
    states.push_back(site_->conversions.status(digest, milliseconds(60'000)).state);
  }

  EXPECT_EQ(manifest.head.status, 200);
  EXPECT_EQ(manifest.body, layout_.manifest);
  EXPECT_EQ(manifest.head.headers.get("Content-Type"), "application/vnd.oci.image.manifest.v1+json");
  EXPECT_EQ(layers, layout_.layer_bytes);
  EXPECT_EQ(states, (std::vector{State::kConverted, State::kConverted}));
}

TEST_F(RegistryTest, ServesAnotherClientAsARegistryWould) {
  const std::string copy_directory = directory_.path() + "/copy";

  copy({"--src-tls-verify=false", str_cat("docker://127.0.0.1:", site_->server->port(), "/app:1"),
        str_cat("oci:", copy_directory, ":1")});

  for (const std::string& bytes : layout_.layer_bytes) {
    const std::string name = cache_index::sha256(as_bytes(bytes)).hex();
    EXPECT_EQ(read_file(str_cat(copy_directory, "/blobs/sha256/", name)).value_or(""), bytes);
  }
}

TEST_F(RegistryTest, GoesOnWithWhatItHasWhenTheRegistryIsGone) {
  const Digest layer = cache_index::sha256(as_bytes(layout_.layer_bytes[0]));
  site_->manifest("1");
  site_->blob(layer);
  registry_.reset();
  site_->clock.advance(std::chrono::hours(1));

  const auto manifest = site_->manifest("1");

  EXPECT_EQ(manifest.body, layout_.manifest);
  EXPECT_NE(manifest.head.headers.get("Samara-Stale"), "");
  EXPECT_EQ(site_->blob(layer).body, layout_.layer_bytes[0]);
  EXPECT_EQ(site_->manifest("never-seen").head.status, 502);
}

}  // namespace
}  // namespace samara::registry_proxy
