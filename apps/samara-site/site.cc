#include "site.h"

#include "access_log.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "daemon.h"

namespace samara {

using registry_proxy::Source;

absl::StatusOr<std::unique_ptr<Site>> Site::start(SiteOptions options) {
  SAMARA_ASSIGN_OR_RETURN(std::unique_ptr<cache_index::Cache> cache,
                          cache_index::Cache::open({.root = options.cache}, registry_proxy::Manifests::tables()));
  std::unique_ptr<Site> site(new Site(std::move(options), std::move(cache)));
  SAMARA_ASSIGN_OR_RETURN(site->server_, http::Server::create(site->options_.server,
                                                              [site = site.get()](const auto& request, auto& out) {
                                                                site->answer(request, out);
                                                              }));
  log::info("samara-site serves", {{"listen", site->options_.server.listen},
                                   {"port", site->server_->port()},
                                   {"cache", site->options_.cache},
                                   {"upstreams", site->options_.upstreams.configured.size()}});
  return site;
}

Site::Site(SiteOptions options, std::unique_ptr<cache_index::Cache> cache)
    : options_(std::move(options)),
      cache_(std::move(cache)),
      upstreams_(options_.upstreams, client_, clock_),
      blobs_(*cache_, upstreams_, clock_, metrics_, options_.blobs),
      manifests_(*cache_, upstreams_, clock_, options_.manifests),
      conversions_(*cache_, blobs_, clock_, metrics_, options_.conversions),
      mirror_(upstreams_, manifests_, blobs_, conversions_, options_.mirror),
      site_api_(*cache_, upstreams_, conversions_) {}

Site::~Site() {
  upstreams_.stop();
  conversions_.stop();  // whoever waits for a layer or for bytes is answered, so that the server's threads end
  blobs_.stop();
  if (server_ != nullptr) server_->stop();
}

void Site::answer(const http::Request& request, http::ResponseWriter& out) {
  const std::string& path = request.target.path;
  const auto start = clock_.now();
  if (answer_health(request, out, metrics_, [] { return absl::OkStatus(); })) return;

  ObservedResponse observed(out);
  Source source = Source::kNone;
  if (path == "/v2" || path.starts_with("/v2/")) {
    source = mirror_.handle(request, observed);
  } else if (path.starts_with("/samara/")) {
    source = site_api_.handle(request, observed);
  } else {
    // A client that left before the answer is no error of ours.
    (void)observed.respond(404, "samara-site serves /v2/, /samara/, /healthz, /readyz and /metrics\n", "text/plain");
  }

  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - start);
  log::info("request", {{"method", request.method},
                        {"path", path},
                        {"ns", request.target.query_value("ns")},
                        {"range", request.headers.get("Range")},
                        {"status", observed.status()},
                        {"bytes", observed.bytes()},
                        {"ms", took.count()},
                        {"source", registry_proxy::to_string(source)},
                        {"peer", request.peer}});
  metrics_.counter("samara_site_requests_total", "Requests answered", {{"status", std::to_string(observed.status())},
                                                                       {"source", std::string(registry_proxy::to_string(source))}})
      .add();
  metrics_.counter("samara_site_sent_bytes_total", "Bytes of bodies sent, by where they came from",
                   {{"source", std::string(registry_proxy::to_string(source))}})
      .add(static_cast<double>(observed.bytes()));
}

}  // namespace samara
