#pragma once

#include "absl/status/status.h"

namespace samara::registry_proxy {

/// Can what is remembered stand in for this failure? Not when upstream has answered that there is nothing, or nothing
/// for us.
inline bool is_outage(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status) ||
         absl::IsInternal(status);
}

}  // namespace samara::registry_proxy
