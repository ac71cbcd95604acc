#include "listings.h"

#include <algorithm>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "json.h"
#include "oci_error.h"
#include "outage.h"
#include "pages.h"
#include "referrers.h"

namespace samara::registry_proxy {
namespace {

using Kind = Upstream::Request::Kind;
using nlohmann::json;

constexpr std::uint64_t kMaxListBytes = 8u << 20;
constexpr std::uint64_t kMaxRememberedBytes = 1u << 20;
constexpr std::size_t kLongestCatalogPage = 1000;
constexpr std::size_t kLongestTagPage = 10'000;

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

void mark_stale(http::ResponseWriter& out) { out.header("Samara-Stale", "the registry can't be asked now"); }

// A client that left needs no answer.
void respond(http::ResponseWriter& out, std::string_view body, std::string_view type) { (void)out.respond(200, body, type); }

Source answer_names(const http::Request& request, const std::vector<std::string>& sorted, std::size_t limit, json body,
                    const char* key, http::ResponseWriter& out) {
  const auto page = page_of(sorted, request.target, limit);
  if (!page.ok()) {
    answer_error(out, 400, "PAGINATION_NUMBER_INVALID", to_std(page.status().message()));
    return Source::kNone;
  }
  if (page->more) out.header("Link", next_link(request.target, *page));
  body[key] = page->names;
  respond(out, dump(body), "application/json");
  return Source::kDisk;
}

// The tags that untrusted text lists; nullopt when it isn't such a list.
std::optional<std::vector<std::string>> read_tags(std::string_view body) {
  const auto parsed = parse_json(body);
  const json* tags = parsed ? json_member(*parsed, "tags") : nullptr;
  if (tags == nullptr || !(tags->is_array() || tags->is_null())) return std::nullopt;
  std::vector<std::string> names;
  for (const json& tag : *tags) {
    if (!tag.is_string()) return std::nullopt;
    names.push_back(tag.get<std::string>());
  }
  return names;
}

// Has upstream answered, but not this question? A refusal is none: nobody is told then that there are no referrers.
bool has_no_endpoint(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsUnimplemented(status) || absl::IsInternal(status);
}

}  // namespace

absl::StatusOr<Listings::Answer> Listings::ask(const Repository& repository, Upstream::Request request, std::string query) {
  SAMARA_ASSIGN_OR_RETURN(Upstream* const upstream, upstreams_.find(repository.registry));
  request.repository = repository.name;
  request.query = std::move(query);
  Answer answer;
  SAMARA_RETURN_IF_ERROR(upstream->fetch(
      request,
      [&](const http::ResponseHead& head) {
        answer.link = head.headers.get("Link");
        answer.filters = head.headers.get("OCI-Filters-Applied");
        return absl::OkStatus();
      },
      [&](std::span<const std::uint8_t> data) {
        if (data.size() > kMaxListBytes - answer.body.size())
          return absl::InvalidArgumentError(str_cat("a list of more than ", kMaxListBytes, " bytes"));
        answer.body += as_text(data);
        return absl::OkStatus();
      }));
  return answer;
}

Source Listings::answer_tags(const http::Request& request, const Repository& repository, const Identity& as,
                             http::ResponseWriter& out) {
  Upstream::Request outgoing;
  outgoing.as = as;
  outgoing.kind = Kind::kTags;
  auto answer = ask(repository, outgoing, upstream_query(request.target));
  auto tags = answer.ok() ? read_tags(answer->body) : std::nullopt;
  if (answer.ok() && !tags) answer = absl::InternalError("the registry's list of tags isn't one");
  if (!answer.ok()) return answer_remembered_tags(request, repository, answer.status(), out);
  if (answer->link.empty() && !is_page(*tags, request.target)) {  // older registries give all, in any order
    std::sort(tags->begin(), tags->end());
    answer_names(request, *tags, kLongestTagPage, {{"name", repository.name}}, "tags", out);
    return Source::kUpstream;
  }
  if (const std::string next = translate_link(answer->link, request.target); !next.empty()) out.header("Link", next);
  respond(out, answer->body, "application/json");
  return Source::kUpstream;
}

Source Listings::answer_remembered_tags(const http::Request& request, const Repository& repository,
                                        const absl::Status& failure, http::ResponseWriter& out) {
  const auto tags = is_outage(failure) ? manifests_.tags(repository) : absl::StatusOr<std::vector<std::string>>(failure);
  if (!tags.ok() || tags->empty()) {
    answer_error(out, failure, Asked::kRepository);
    return Source::kUpstream;
  }
  mark_stale(out);
  return answer_names(request, *tags, kLongestTagPage, {{"name", repository.name}}, "tags", out);
}

Source Listings::answer_catalog(const http::Request& request, std::string_view registry,
                                const std::function<bool(const Repository&)>& shown, http::ResponseWriter& out) {
  auto repositories = manifests_.repositories(registry);
  if (!repositories.ok()) {
    answer_error(out, repositories.status(), Asked::kRepository);
    return Source::kDisk;
  }
  std::erase_if(*repositories, [&](const std::string& name) { return !shown({std::string(registry), name}); });
  return answer_names(request, *repositories, kLongestCatalogPage, json::object(), "repositories", out);
}

Source Listings::answer_referrers(const http::Request& request, const Repository& repository, const Digest& subject,
                                  const Identity& as, http::ResponseWriter& out) {
  const std::string artifact_type(request.target.query_value("artifactType"));
  const bool whole = upstream_query(request.target) == (artifact_type.empty() ? "" : str_cat("artifactType=", http::percent_encode(artifact_type)));
  const std::string row = str_cat(repository.to_string(), "@", subject.to_string(), " ", artifact_type);
  Source source = Source::kUpstream;

  auto answer = ask_referrers(request, repository, subject, as);
  if (!answer.ok() && is_outage(answer.status()) && whole) {
    if (auto remembered = cache_.store().get(kReferrersTable, row); remembered.ok()) {
      answer = Answer{std::move(*remembered), "", ""};
      mark_stale(out);
      source = Source::kDisk;
    }
  } else if (answer.ok() && whole && answer->link.empty() && answer->body.size() <= kMaxRememberedBytes) {
    const absl::Status kept = cache_.store().write({{std::string(kReferrersTable), row, answer->body}});
    if (!kept.ok()) log::warning("a list of referrers can't be kept", {{"of", row}, {"error", kept}});
  }
  if (!answer.ok()) {
    answer_error(out, answer.status(), Asked::kRepository);
    return source;
  }
  if (!artifact_type.empty()) out.header("OCI-Filters-Applied", "artifactType");
  if (const std::string next = translate_link(answer->link, request.target); !next.empty()) out.header("Link", next);
  respond(out, answer->body, kIndexType);
  return source;
}

// What upstream knows, filtered by artifactType whether upstream does that or not.
absl::StatusOr<Listings::Answer> Listings::ask_referrers(const http::Request& request, const Repository& repository,
                                                         const Digest& subject, const Identity& as) {
  Upstream::Request outgoing;
  outgoing.as = as;
  outgoing.kind = Kind::kReferrers;
  outgoing.reference = subject.to_string();
  auto answer = ask(repository, outgoing, upstream_query(request.target));
  if (answer.ok() && !is_index(answer->body)) return absl::InternalError("the registry's list of referrers isn't one");
  if (!answer.ok()) {
    if (!has_no_endpoint(answer.status())) return answer;
    SAMARA_ASSIGN_OR_RETURN(std::string index, referrers_by_tag(repository, subject, as));
    answer = Answer{std::move(index), "", ""};
  }
  const std::string_view artifact_type = request.target.query_value("artifactType");
  if (!artifact_type.empty() && answer->filters.empty()) answer->body = filter_by_type(answer->body, artifact_type);
  return answer;
}

absl::StatusOr<std::string> Listings::referrers_by_tag(const Repository& repository, const Digest& subject, const Identity& as) {
  const auto manifest = manifests_.get(repository, Reference{referrers_tag(subject), std::nullopt}, as);
  if (manifest.ok() && manifest->parsed.kind == Manifest::Kind::kIndex) return manifest->bytes;
  if (!manifest.ok() && !has_no_endpoint(manifest.status())) return manifest.status();
  return std::string(kEmptyIndex);
}

}  // namespace samara::registry_proxy
