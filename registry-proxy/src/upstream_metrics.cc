#include "upstream_metrics.h"

namespace samara::registry_proxy {
namespace {

using Kind = Upstream::Request::Kind;

const char* class_of(Kind kind) {
  switch (kind) {
    case Kind::kManifest: return "manifest";
    case Kind::kBlob: return "blob";
    case Kind::kTags: return "tags";
    case Kind::kReferrers: break;
  }
  return "referrers";
}

// Aborted: the caller had enough.
const char* result_of(const absl::Status& outcome) {
  switch (outcome.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kAborted: return "ok";
    case absl::StatusCode::kNotFound: return "absent";
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied: return "refused";
    case absl::StatusCode::kResourceExhausted: return "limited";
    case absl::StatusCode::kCancelled: return "cancelled";
    default: return "failed";
  }
}

}  // namespace

void UpstreamMetrics::note_request(Kind kind, const absl::Status& outcome) {
  metrics_.counter("samara_site_upstream_requests_total", "Requests to registries, by how they ended.",
                   {{"class", class_of(kind)}, {"result", result_of(outcome)}})
      .add();
}

Metrics::Counter& UpstreamMetrics::bytes(Kind kind) {
  return metrics_.counter("samara_site_upstream_bytes_total", "Bytes of bodies fetched from registries.",
                          {{"class", class_of(kind)}});
}

void UpstreamMetrics::note_token(const absl::Status& outcome) {
  metrics_.counter("samara_site_token_fetches_total", "Requests to registries' token servers, by how they ended.",
                   {{"result", result_of(outcome)}})
      .add();
}

Metrics::Counter& UpstreamMetrics::joined(Metrics& metrics, const char* kind) {
  return metrics.counter("samara_site_joined_total", "Those who got what was being fetched for somebody else already.",
                         {{"class", kind}});
}

}  // namespace samara::registry_proxy
