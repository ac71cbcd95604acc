#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/http/client.h"
#include "base/http/server.h"
#include "base/metrics.h"
#include "cache_index/cache.h"
#include "fake_clock.h"
#include "fake_upstream.h"
#include "registry_proxy/blobs.h"
#include "registry_proxy/conversions.h"
#include "registry_proxy/manifests.h"
#include "registry_proxy/mirror.h"
#include "registry_proxy/site_api.h"
#include "registry_proxy/upstream.h"

namespace samara::registry_proxy {

/// Bytes that differ everywhere, so that one at a wrong place shows: "0,1,2,…".
inline std::string numbers(std::uint64_t size) {
  std::string text;
  for (std::uint64_t i = 0; text.size() < size; ++i) text += std::to_string(i) + ",";
  text.resize(size);
  return text;
}

/// A whole site over a fake registry and a cache in a directory of its own, answering HTTP. The registry's name is
/// "fake.test", and its repositories are there without being made.
struct SiteFixture {
  /// Nobody's right to read is checked, so that each test counts only the requests that it is about.
  static UpstreamConfig unchecked() {
    UpstreamConfig upstream;
    upstream.share = Share::kUnchecked;
    return upstream;
  }
  struct Settings {
    UpstreamConfig upstream = unchecked();  ///< the name is filled in, and the fake's URL when there is none
    Manifests::Options manifests;
    Blobs::Options blobs;
    Conversions::Options conversions;
    Mirror::Options mirror;
    std::string parent;  ///< URL of the site that this one has everything from, registries too; empty: none
    peer::Link::Options link;
    std::string root;  ///< of the cache; empty: the fixture's own directory
    cache_index::Cache::Limits limits;
  };

  static Settings never_converting() {
    Settings settings;
    settings.upstream.convert = ConvertPolicy::kNever;
    return settings;
  }

  explicit SiteFixture(Settings settings = never_converting())
      : directory(*TempDir::create("site")),
        cache(*cache_index::Cache::open({.root = settings.root.empty() ? directory.path() : settings.root, .limits = settings.limits}, SiteApi::tables())),
        parent_client(client, {settings.parent}),
        link(cache->store(), clock, metrics, settings.link),
        parent(settings.parent.empty() ? nullptr : std::make_unique<ParentLayers>(*cache, parent_client, link, nullptr, clock, metrics, quick())),
        upstreams(upstream_options(settings), client, clock, metrics),
        references(cache->store()),
        entitlements(cache->store(), upstreams, clock),
        grants(cache->store(), clock),
        manifests(*cache, upstreams, references, clock, metrics, settings.manifests),
        blobs(*cache, upstreams, references, clock, metrics, quick(settings.blobs)),
        conversions(*cache, blobs, clock, metrics, settings.conversions, parent.get()),
        mirror(upstreams, entitlements, manifests, blobs, conversions, with_registry(settings.mirror)),
        site_api(*cache, upstreams, entitlements, manifests, blobs, conversions, parent.get(), &grants),
        server(*http::Server::create({}, [this](const auto& request, auto& out) { handle(request, out); })) {}

  ~SiteFixture() {
    upstream.release();
    stop();
  }

  /// In the order in which nothing waits for anything.
  void stop() {
    upstreams.stop();
    if (parent) parent->stop();
    blobs.stop();
    conversions.stop();
    server->stop();
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(server->port()); }

  /// Asks this site. Tests look at what comes; a failed transfer gives status 0.
  http::Response get(const std::string& path, const std::string& range = "", const std::string& method = "GET") {
    return ask(path, range.empty() ? Fields() : Fields{{"Range", range}}, method);
  }
  using Fields = std::vector<std::pair<std::string, std::string>>;
  http::Response ask(const std::string& path, const Fields& fields, const std::string& method = "GET") {
    http::ClientRequest request;
    request.method = method;
    request.url = url() + path;
    for (const auto& [name, value] : fields) request.headers.add(name, value);
    auto response = client.get(request, 1u << 30);
    last_status = response.status();
    return response.ok() ? *response : http::Response{};
  }
  http::Response blob(const Digest& digest, const std::string& range = "", const std::string& method = "GET") {
    return get("/v2/app/blobs/" + digest.to_string() + "?ns=fake.test", range, method);
  }
  http::Response manifest(const std::string& reference, const std::string& method = "GET") {
    return get("/v2/app/manifests/" + reference + "?ns=fake.test", "", method);
  }
  Repository repository() const { return {"fake.test", "app"}; }

  FakeUpstream upstream;
  FakeClock clock;
  Metrics metrics;
  http::Client client;
  TempDir directory;
  std::unique_ptr<cache_index::Cache> cache;
  peer::SiteClient parent_client;
  peer::Link link;
  std::unique_ptr<ParentLayers> parent;
  Upstreams upstreams;
  References references;
  Entitlements entitlements;
  LayerGrants grants;
  Manifests manifests;
  Blobs blobs;
  Conversions conversions;
  Mirror mirror;
  SiteApi site_api;
  std::unique_ptr<http::Server> server;
  absl::Status last_status;

 private:
  Upstreams::Options upstream_options(const Settings& settings) {
    Upstreams::Options options;
    options.configured.push_back(settings.upstream);
    options.configured[0].registry = "fake.test";
    if (settings.upstream.urls.empty()) options.configured[0].urls = {upstream.url()};
    options.allow_others = false;
    if (parent) options.way = SiteWay{.urls = {settings.parent}, .access = {}, .link = &link, .only = true};
    return options;
  }
  static ParentLayers::Options quick() {
    ParentLayers::Options options;
    options.patience = std::chrono::milliseconds(300);
    options.first_retry = options.longest_retry = std::chrono::milliseconds(10);
    options.fetcher.read_deadline = std::chrono::milliseconds(200);
    return options;
  }
  static Blobs::Options quick(Blobs::Options options) {
    options.fill.resume_backoff = std::chrono::milliseconds(1);
    return options;
  }
  static Mirror::Options with_registry(Mirror::Options options) {
    if (options.default_registry == Mirror::Options().default_registry) options.default_registry = "fake.test";
    if (options.patience == Mirror::Options().patience) options.patience = {};  // tests wait for events, not for time
    return options;
  }
  // "Test-Client" stands for what the site's own rules find out about who asks.
  void handle(http::Request request, http::ResponseWriter& out) {
    request.client = request.headers.get("Test-Client");
    if (request.target.path.starts_with("/samara/")) {
      site_api.handle(request, out);
    } else {
      mirror.handle(request, out);
    }
  }
};

}  // namespace samara::registry_proxy
