#include "parent.h"

#include "base/status.h"

namespace samara {

Parent::Parent(const ParentOptions& options, peer::SiteAccess site_access, std::unique_ptr<peer::Siblings> others,
               cache_index::Cache& cache, http::Client& http, Clock& clock, Metrics& metrics)
    : options(options),
      access(std::move(site_access)),
      origins(cache),
      client(http, options.urls, access),
      swarms(http, options.urls, access),
      link(cache.store(), clock, metrics, options.link),
      siblings(std::move(others)),
      layers(cache, client, link, siblings.get(), clock, metrics, {}) {
  client.remembers(origins);
  if (siblings) siblings->remembers(origins);
}

absl::StatusOr<std::unique_ptr<Parent>> Parent::create(const ParentOptions& options, cache_index::Cache& cache,
                                                       http::Client& client, Clock& clock, Metrics& metrics) {
  if (!options.enabled()) return nullptr;
  SAMARA_ASSIGN_OR_RETURN(peer::SiteAccess access, peer::SiteAccess::create(options.access));
  std::unique_ptr<peer::Siblings> siblings;
  if (!options.siblings.urls.empty()) {
    SAMARA_ASSIGN_OR_RETURN(peer::SiteAccess sibling_access, peer::SiteAccess::create(options.sibling_access));
    siblings = std::make_unique<peer::Siblings>(client, options.siblings, std::move(sibling_access), clock);
  }
  return std::unique_ptr<Parent>(
      new Parent(options, std::move(access), std::move(siblings), cache, client, clock, metrics));
}

std::optional<registry_proxy::SiteWay> Parent::way() {
  if (options.registries == ParentOptions::Registries::kNever) return std::nullopt;
  return registry_proxy::SiteWay{.urls = options.urls,
                                 .access = access,
                                 .link = &link,
                                 .only = options.registries == ParentOptions::Registries::kOnly};
}

}  // namespace samara
