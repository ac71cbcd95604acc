#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace samara::fuse_fs {

/// What a daemon says to the holder of its connections (holder.cc has the protocol).
struct HolderRequest {
  enum class Verb { kHello, kKeep, kForget, kServing, kUnknown };
  Verb verb = Verb::kUnknown;
  std::string name;                                      ///< of kKeep and kForget; not empty
  std::optional<std::chrono::milliseconds> abort_after;  ///< of kHello, when it is a sensible time
};

HolderRequest parse_holder_request(std::string_view text);

/// How many descriptors follow a "welcome <n>"; nullopt for anything else, and for more than any holder holds.
std::optional<std::size_t> parse_welcome(std::string_view text);

/// A holder holds at most so many.
inline constexpr std::size_t kMostHeld = 16;

}  // namespace samara::fuse_fs
