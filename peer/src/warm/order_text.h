#pragma once

#include <string>
#include <string_view>

#include "peer/warm_protocol.h"

namespace samara::peer {

/// "<manifest>,<level> <pin until>", as heartbeats are answered.
std::string order_text(const WarmOrder& order);
/// InvalidArgument.
absl::StatusOr<WarmOrder> parse_order(std::string_view line);

}  // namespace samara::peer
