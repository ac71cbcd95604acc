#include "holder_message.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace samara::fuse_fs {
namespace {

constexpr std::int64_t kLongestAbort = 86'400'000;  // a day

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

HolderRequest parse_holder_request(std::string_view text) {
  using Verb = HolderRequest::Verb;
  const std::string_view verb = text.substr(0, text.find(' '));
  const std::string_view rest = text.substr(std::min(text.size(), verb.size() + 1));
  HolderRequest request;
  if (verb == "hello") {
    request.verb = Verb::kHello;
    const std::optional<std::int64_t> time = number(rest);
    if (time && *time > 0 && *time < kLongestAbort) request.abort_after = std::chrono::milliseconds(*time);
  } else if (verb == "serving") {
    request.verb = Verb::kServing;
  } else if ((verb == "keep" || verb == "forget") && !rest.empty()) {
    request.verb = verb == "keep" ? Verb::kKeep : Verb::kForget;
    request.name = std::string(rest);
  }
  return request;
}

std::optional<std::size_t> parse_welcome(std::string_view text) {
  constexpr std::string_view kWelcome = "welcome ";
  if (!text.starts_with(kWelcome)) return std::nullopt;
  const std::optional<std::int64_t> count = number(text.substr(kWelcome.size()));
  if (!count || *count < 0 || *count > static_cast<std::int64_t>(kMostHeld)) return std::nullopt;
  return static_cast<std::size_t>(*count);
}

}  // namespace samara::fuse_fs
