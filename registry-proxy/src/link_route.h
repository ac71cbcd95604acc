#pragma once

#include "base/http/server.h"
#include "registry_proxy/parent_layers.h"

namespace samara::registry_proxy {

/// The ledger of the site's link, for `samara links`:
///
///   GET /samara/v1/links[?days=N]
///        {"links": [{"name", "urls", "up", "since", "error", "bytes_per_second", "bytes_per_day", "over_budget", "refused",
///                    "spent" (the budget of today),
///                    "arriving": [{"layer", "blob", "bytes", "bytes_here"}],
///                    "days": [{"date", "bytes": {"blocking": N, …}, "total"}]}]}
///
/// Times are seconds since the epoch, days those of UTC, the latest first (at most 400). Without a parent the list is
/// empty. `parent`: may be null.
void answer_links(const ParentLayers* parent, const http::Request& request, http::ResponseWriter& out);

}  // namespace samara::registry_proxy
