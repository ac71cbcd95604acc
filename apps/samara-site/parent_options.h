#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/config.h"
#include "peer/link.h"
#include "peer/site_access.h"
#include "peer/siblings.h"

namespace samara {

/// The [parent] table: the site that this one has things from, and what the link to it may carry.
struct ParentOptions {
  enum class Registries {
    kFirst,  ///< registries are asked by the parent, and directly when it can't help
    kOnly,   ///< only by the parent
    kNever,  ///< only directly
  };
  std::vector<std::string> urls;  ///< empty: no parent
  peer::SiteAccess::Options access;
  peer::Link::Options link;
  Registries registries = Registries::kFirst;
  peer::Siblings::Options siblings;        ///< `urls` empty: this is the site's only samara-site
  peer::SiteAccess::Options sibling_access;

  bool enabled() const { return !urls.empty(); }
};

/// The [standbys] table: other samara-sites of this site that are to have every layer that this one has.
struct StandbyOptions {
  std::vector<std::string> urls;  ///< empty: none
  peer::SiteAccess::Options access;
};

/// Errors: InvalidArgument, naming the option that is wrong.
absl::Status read_standby_options(Config& table, StandbyOptions& options);
absl::Status read_parent_options(Config& table, ParentOptions& options);

}  // namespace samara
