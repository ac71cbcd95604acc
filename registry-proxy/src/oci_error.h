#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "base/http/server.h"

namespace samara::registry_proxy {

/// Answers with an error body of the OCI Distribution Specification: {"errors":[{"code","message","detail"}]}.
/// The answer's own errors are dropped: the client has left.
void answer_error(http::ResponseWriter& out, int http_status, std::string_view code, std::string_view message);

enum class Asked { kManifest, kBlob, kRepository };

/// The one absl::Status -> HTTP table of the mirror. 404 or 5xx, never 401, 408 or 429: see Mirror.
void answer_error(http::ResponseWriter& out, const absl::Status& status, Asked asked);

}  // namespace samara::registry_proxy
