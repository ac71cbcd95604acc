#include "route.h"

#include <optional>

namespace samara::registry_proxy {
namespace {

using Kind = Route::Kind;

constexpr std::string_view kBasePath = "/v2";

// "a/b/c" -> "a/b" and "c"; nullopt when either would be empty, unless an empty last part is allowed.
struct Halves {
  std::string_view front, last;
};
std::optional<Halves> split_last(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || slash == 0) return std::nullopt;
  return Halves{path.substr(0, slash), path.substr(slash + 1)};
}

// A repository may itself be called "blobs/uploads", so names are read from the right.
Route route_of(std::string_view repository, std::string_view kind, std::string_view reference) {
  if (kind == "manifests") return {Kind::kManifest, repository, reference};
  if (kind == "referrers") return {Kind::kReferrers, repository, reference};
  if (kind == "tags" && reference == "list") return {Kind::kTags, repository, {}};
  if (kind == "blobs" && reference != "uploads") return {Kind::kBlob, repository, reference};
  if (kind == "blobs") return {Kind::kUpload, repository, {}};
  if (kind != "uploads") return {};
  const auto above = split_last(repository);
  return above && above->last == "blobs" ? Route{Kind::kUpload, above->front, reference} : Route{};
}

}  // namespace

Route parse_route(std::string_view path) {
  if (!path.starts_with(kBasePath)) return {};
  path.remove_prefix(kBasePath.size());
  if (path.empty() || path == "/") return {Kind::kBase, {}, {}};
  if (path == "/_catalog") return {Kind::kCatalog, {}, {}};
  if (path[0] != '/') return {};
  const auto reference = split_last(path.substr(1));
  if (!reference) return {};
  const auto kind = split_last(reference->front);
  return kind ? route_of(kind->front, kind->last, reference->last) : Route{};
}

}  // namespace samara::registry_proxy
