#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/http/message.h"

namespace samara::registry_proxy {

/// One page of a list of names, as ?n= (how many at most) and ?last= (after which) ask for it.
struct Page {
  std::vector<std::string> names;
  bool more = false;  ///< names follow that the page has no room for
};

/// `sorted` is in byte order. Without n, or with one above `limit`, a page has `limit` names; with n=0 none, and no next.
/// Errors: InvalidArgument (n isn't a number).
/// Source: OCI Distribution Specification v1.1, "Listing Tags".
absl::StatusOr<Page> page_of(const std::vector<std::string>& sorted, const http::Target& request, std::size_t limit);

/// Is this what n and last ask for: at most n names, in order (byte order, or without regard to case), all after last?
bool is_page(const std::vector<std::string>& names, const http::Target& request);

/// The value of Link after such a page: the same request, from the page's last name on.
std::string next_link(const http::Target& request, const Page& page);

/// What of a client's query is for upstream: all but ns. Without the '?'.
std::string upstream_query(const http::Target& request);

/// Turns upstream's Link into one that leads through here: the client's own path, the query that upstream wants, and
/// the client's ns. Empty when upstream named no next page.
/// Source: RFC 8288 §3.
std::string translate_link(std::string_view upstream_link, const http::Target& request);

}  // namespace samara::registry_proxy
