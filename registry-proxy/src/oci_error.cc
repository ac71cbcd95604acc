#include "oci_error.h"

#include <string>

#include "base/text.h"
#include "json.h"
#include "retry_after.h"

namespace samara::registry_proxy {

void answer_error(http::ResponseWriter& out, int http_status, std::string_view code, std::string_view message) {
  const nlohmann::json body = {
      {"errors", {{{"code", std::string(code)}, {"message", std::string(message)}, {"detail", nullptr}}}}};
  (void)out.respond(http_status, body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
                    "application/json");
}

void answer_error(http::ResponseWriter& out, const absl::Status& status, Asked asked) {
  const bool manifest = asked == Asked::kManifest;
  const std::string_view unknown = manifest ? "MANIFEST_UNKNOWN" : asked == Asked::kBlob ? "BLOB_UNKNOWN" : "NAME_UNKNOWN";
  if (const auto wait = retry_after(status)) out.header("Retry-After", str_cat(wait->count()));
  const auto answer = [&](int http_status, std::string_view code) {
    answer_error(out, http_status, code, to_std(status.message()));
  };
  switch (status.code()) {
    case absl::StatusCode::kNotFound: return answer(404, unknown);
    case absl::StatusCode::kUnauthenticated: return answer(404, "UNAUTHORIZED");
    case absl::StatusCode::kPermissionDenied: return answer(404, "DENIED");
    case absl::StatusCode::kInvalidArgument: return answer(502, manifest ? "MANIFEST_INVALID" : "UNKNOWN");
    case absl::StatusCode::kDataLoss: return answer(502, "DIGEST_INVALID");
    case absl::StatusCode::kResourceExhausted: return answer(503, "TOOMANYREQUESTS");
    case absl::StatusCode::kCancelled: return answer(503, "UNAVAILABLE");
    case absl::StatusCode::kDeadlineExceeded: return answer(504, "UNAVAILABLE");
    case absl::StatusCode::kUnavailable: return answer(502, "UNAVAILABLE");
    default: return answer(502, "UNKNOWN");
  }
}

}  // namespace samara::registry_proxy
