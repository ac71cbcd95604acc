#pragma once

#include <string_view>

namespace samara::registry_proxy {

/// Where the bytes of an answer came from, for the access log.
enum class Source { kNone, kCache, kFill, kUpstream };

constexpr std::string_view to_string(Source source) {
  switch (source) {
    case Source::kCache: return "cache";
    case Source::kFill: return "fill";
    case Source::kUpstream: return "upstream";
    case Source::kNone: break;
  }
  return "none";
}

}  // namespace samara::registry_proxy
