#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/byte_range.h"
#include "base/http/client.h"

namespace samara::peer {

/// What an HTTP status other than success means for whoever asked for an object: Unavailable (401 and 403 too: the site
/// doesn't let this node in), NotFound, DataLoss (416: its object is shorter than ours).
absl::Status refusal(const std::string& url, int status);

/// Does a site not know us, or no more?
inline bool is_denied(int status) { return status == 401 || status == 403; }

/// Does the answer promise exactly `range`? 200 is right when the range is all there is.
/// Errors: those of refusal(), DataLoss (another range).
absl::Status check_head(const http::ResponseHead& head, const std::string& url, const ByteRange& range);

}  // namespace samara::peer
