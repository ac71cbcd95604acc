// The mirror between Debian's docker-registry and skopeo.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <map>

#include "base/text.h"
#include "cache_index/hasher.h"
#include "child_process.h"
#include "site_fixture.h"
#include "tar_builder.h"

namespace samara::registry_proxy {
namespace {

using convert::TarBuilder;
using std::chrono::milliseconds;
using State = peer::LayerStatus::State;

std::uint16_t free_port() {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

// An OCI layout on disk with one image of two layers, tagged "1".
class Layout {
 public:
  explicit Layout(const std::string& directory) : directory_(directory) {
    EXPECT_TRUE(make_directories(directory_ + "/blobs/sha256").ok());
    std::string layers, diff_ids;
    for (const char* name : {"first", "second"}) {
      std::string content;
      for (int i = 0; i < 200'000; ++i) str_append(&content, name, i * 7919 % 100'003, "\n");
      const std::string tar = TarBuilder().directory("opt/").file(str_cat("opt/", name), content).end();
      const std::string bytes = convert::gzip(tar);
      const std::string_view comma = layers.empty() ? "" : ",";
      layer_bytes.push_back(bytes);
      str_append(&layers, comma, add("application/vnd.oci.image.layer.v1.tar+gzip", bytes));
      str_append(&diff_ids, comma, "\"", cache_index::sha256(as_bytes(tar)).to_string(), "\"");
    }
    const std::string config = add(
        "application/vnd.oci.image.config.v1+json",
        str_cat(R"({"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[)", diff_ids,
                "]}}"));
    manifest = str_cat(
        R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)", config,
        R"(,"layers":[)", layers, "]}");
    std::string entry = add("application/vnd.oci.image.manifest.v1+json", manifest);
    entry.insert(entry.size() - 1, R"(,"annotations":{"org.opencontainers.image.ref.name":"1"})");
    write("/index.json", str_cat(R"({"schemaVersion":2,"manifests":[)", entry, "]}"));
    write("/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  }

  std::string manifest;
  std::vector<std::string> layer_bytes;

 private:
  void write(const std::string& path, std::string_view content) {
    EXPECT_TRUE(write_file_atomic(directory_ + path, content).ok());
  }
  std::string add(std::string_view media_type, std::string_view bytes) {
    const Digest digest = cache_index::sha256(as_bytes(bytes));
    write("/blobs/sha256/" + digest.hex(), bytes);
    return str_cat(R"({"mediaType":")", media_type, R"(","digest":")", digest.to_string(), R"(","size":)", bytes.size(),
                   "}");
  }

  const std::string directory_;
};

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
    arguments.insert(arguments.begin(), {"skopeo", "copy", "--insecure-policy"});
    ChildProcess skopeo(std::move(arguments));
    ASSERT_EQ(skopeo.wait(), 0) << skopeo.output();
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
