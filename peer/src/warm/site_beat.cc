#include "peer/site_beat.h"

#include <algorithm>
#include <charconv>

#include "../protocol_lines.h"
#include "order_text.h"

namespace samara::peer {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMostParts = 5, kMostAddressBytes = 64, kMostFarNameBytes = 512;
constexpr std::string_view kAddress = "0123456789abcdefABCDEF.:%-_ghijklmnopqrstuvwxyz";  // IPv6 ones with a scope too
constexpr milliseconds kShortestBeat{100}, kLongestBeat{600'000};

absl::Status bad(std::string_view what) { return absl::InvalidArgumentError(str_cat("a site's heartbeat with ", what)); }

template <typename Beat, typename Use>
void each_number(Beat& beat, const Use& use) {
  use("link_rate", beat.link_rate);
  use("link_day", beat.link_day);
  use("link_today", beat.link_today);
}

// "<name> <address> ?name=…", of which a name and an address have no space.
std::string node_text(const SiteBeat::Node& node) { return str_cat(node.name, " ", node.address, " ", to_query(node.beat, kMaxRelayedBytes)); }

absl::StatusOr<SiteBeat::Node> parse_node(std::string_view text) {
  const std::size_t first = text.find(' '), second = first == text.npos ? first : text.find(' ', first + 1);
  if (second == text.npos) return bad("a node of too few parts");
  SiteBeat::Node node;
  node.name = text.substr(0, first);
  node.address = text.substr(first + 1, second - first - 1);
  if (!is_far_name(node.name)) return bad("a node's name that no node can have");
  if (node.address.size() > kMostAddressBytes || node.address.find_first_not_of(kAddress) != node.address.npos) return bad("a node's address that is none");
  const auto target = http::parse_target(str_cat("/", text.substr(second + 1)));
  if (!target) return bad("a node that can't be read");
  SAMARA_ASSIGN_OR_RETURN(node.beat, heartbeat_from(*target));
  return node;
}

// "<order> <node>,<node>,…"
absl::Status add_orders(std::string_view line, SiteBeatAnswer& answer) {
  const std::size_t space = line.rfind(' ');
  if (space == line.npos) return bad("an answer whose order is for no node");
  SAMARA_ASSIGN_OR_RETURN(const WarmOrder order, parse_order(line.substr(0, space)));
  for (line.remove_prefix(space + 1); !line.empty();) {
    const std::string_view name = line.substr(0, line.find(','));
    line.remove_prefix(std::min(line.size(), name.size() + 1));
    if (!is_far_name(name)) return bad("an answer whose order is for no node");
    std::vector<WarmOrder>& orders = answer.orders[std::string(name)];
    if (orders.size() >= kMostOrders) return bad("an answer with too many orders");
    orders.push_back(order);
  }
  return absl::OkStatus();
}

}  // namespace

bool is_far_name(std::string_view name) {
  if (name.size() > kMostFarNameBytes) return false;
  for (std::size_t parts = 1; parts <= kMostParts; ++parts) {
    const std::size_t slash = name.find('/');
    if (!is_node_name(name.substr(0, slash))) return false;
    if (slash == name.npos) return true;
    name.remove_prefix(slash + 1);
  }
  return false;
}

std::size_t relayed_size(const SiteBeat::Node& node) { return http::percent_encode(node_text(node)).size() + 6; }

std::string to_query(const SiteBeat& beat) {
  std::string query = to_query(beat.self, kMaxRelayedBytes);
  each_number(beat, [&](std::string_view key, std::uint64_t value) { str_append(&query, "&", key, "=", value); });
  for (const SiteBeat::Node& node : beat.nodes) str_append(&query, "&node=", http::percent_encode(node_text(node)));
  std::string same;
  for (const std::string& name : beat.same) str_append(&same, same.empty() ? "" : ",", http::percent_encode(name));
  if (!same.empty()) str_append(&query, "&same=", same);
  return query;
}

absl::StatusOr<SiteBeat> site_beat_from(const http::Target& target) {
  SiteBeat beat;
  SAMARA_ASSIGN_OR_RETURN(beat.self, heartbeat_from(target));
  absl::Status wrong;
  each_number(beat, [&](std::string_view key, std::uint64_t& value) {
    const std::string_view text = target.query_value(key);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (!text.empty() && (error != std::errc() || end != text.data() + text.size())) wrong = bad(str_cat("a ", key, " that is no number"));
  });
  SAMARA_RETURN_IF_ERROR(wrong);
  for (const auto& [key, value] : target.query) {
    if (key != "node") continue;
    if (beat.nodes.size() >= kMostBeatNodes) return bad("too many nodes");
    SAMARA_ASSIGN_OR_RETURN(SiteBeat::Node node, parse_node(value));
    beat.nodes.push_back(std::move(node));
  }
  for (std::string_view same = target.query_value("same"); !same.empty();) {
    const std::string_view name = same.substr(0, same.find(','));
    same.remove_prefix(std::min(same.size(), name.size() + 1));
    if (!is_far_name(name) || beat.same.size() >= kMostBeatNodes) return bad("nodes without a name, or too many");
    beat.same.emplace_back(name);
  }
  return beat;
}

std::string encode(const SiteBeatAnswer& answer) {
  std::map<std::string, std::string> nodes;  // by order: most have the same
  for (const auto& [node, orders] : answer.orders)
    for (const WarmOrder& order : orders) {
      std::string& named = nodes[order_text(order)];
      str_append(&named, named.empty() ? "" : ",", node);
    }
  std::string text = str_cat("beat ", answer.beat.count(), "\nepoch ", answer.epoch, "\n\n");
  for (const auto& [order, named] : nodes) str_append(&text, order, " ", named, "\n");
  return text;
}

absl::StatusOr<SiteBeatAnswer> decode_site_beat_answer(std::string_view text) {
  if (text.size() > kMaxSiteBeatAnswerBytes) return bad("an answer that is too long");
  const std::size_t end = text.find("\n\n");
  if (end == text.npos) return bad("an answer without orders");
  const ProtocolLines lines(text.substr(0, end));
  SiteBeatAnswer answer;
  std::uint64_t beat = 0;
  SAMARA_RETURN_IF_ERROR(lines.number("beat", beat));
  SAMARA_RETURN_IF_ERROR(lines.number("epoch", answer.epoch));
  answer.beat = milliseconds(std::clamp<std::uint64_t>(beat, kShortestBeat.count(), kLongestBeat.count()));
  for (text.remove_prefix(end + 2); !text.empty();) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.empty()) SAMARA_RETURN_IF_ERROR(add_orders(line, answer));
  }
  return answer;
}

}  // namespace samara::peer
