#include <arpa/inet.h>

#include <charconv>

#include "base/status.h"
#include "base/text.h"
#include "seed/tracker.h"

namespace samara::seed {
namespace {

constexpr std::size_t kInfohash = 20;

template <typename Number>
absl::Status number(const http::Target& target, std::string_view key, Number& value) {
  const std::string_view text = target.query_value(key);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(str_cat("announce without a number ", key));
}

absl::StatusOr<std::string> packed(std::string_view host) {
  std::string bytes(16, '\0');
  const std::string text(host);
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  bytes.resize(4);
  if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return bytes;
  return absl::InvalidArgumentError(str_cat("\"", host, "\" is no address"));
}

Announce::Event event_of(std::string_view name) {
  if (name == "started") return Announce::Event::kStarted;
  if (name == "completed") return Announce::Event::kCompleted;
  if (name == "stopped") return Announce::Event::kStopped;
  return Announce::Event::kNone;
}

}  // namespace

absl::StatusOr<Announce> parse_announce(const http::Target& target, std::string_view host) {
  Announce announce;
  announce.swarm = target.query_value("info_hash");
  if (announce.swarm.size() != kInfohash) return absl::InvalidArgumentError("announce without an info_hash of 20 bytes");
  SAMARA_ASSIGN_OR_RETURN(announce.address, packed(host));
  SAMARA_RETURN_IF_ERROR(number(target, "port", announce.port));
  if (announce.port == 0) return absl::InvalidArgumentError("announce of port 0");
  SAMARA_RETURN_IF_ERROR(number(target, "left", announce.left));
  if (!target.query_value("numwant").empty()) SAMARA_RETURN_IF_ERROR(number(target, "numwant", announce.wanted));
  announce.event = event_of(target.query_value("event"));
  return announce;
}

}  // namespace samara::seed
