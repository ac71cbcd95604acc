#pragma once

#include <string_view>

namespace samara::registry_proxy {

/// Where the bytes of an answer came from, for the access log. (A site takes nothing from swarms: what is in its cache
/// came from upstream.)
enum class Source {
  kNone,
  kMemory,    ///< a manifest that was read from disk, and verified, just now
  kDisk,      ///< the cache
  kJoined,    ///< a blob's download that was under way for somebody else
  kUpstream,  ///< the registry, asked for this answer
  kParent,    ///< a blob that is on its way from the parent site: from disk, or over the link for this answer
};

constexpr std::string_view to_string(Source source) {
  switch (source) {
    case Source::kMemory: return "memory";
    case Source::kDisk: return "disk";
    case Source::kJoined: return "joined";
    case Source::kUpstream: return "upstream";
    case Source::kParent: return "parent";
    case Source::kNone: break;
  }
  return "none";
}

}  // namespace samara::registry_proxy
