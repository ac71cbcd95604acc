#include <algorithm>
#include <charconv>

#include "../protocol_lines.h"
#include "order_text.h"
#include "peer/warm_protocol.h"

namespace samara::peer {
namespace {

using State = WarmReport::State;

constexpr std::size_t kMostErrorBytes = 512;
constexpr std::size_t kMostNameBytes = 253, kMostLabelBytes = 63;
constexpr std::chrono::milliseconds kShortestBeat{100}, kLongestBeat{600'000};

constexpr std::pair<WarmLevel, std::string_view> kLevels[] = {
    {WarmLevel::kIndex, "index"}, {WarmLevel::kTrace, "trace"}, {WarmLevel::kFull, "full"}};
constexpr std::pair<State, std::string_view> kStates[] = {{State::kWaiting, "waiting"},
                                                          {State::kFetching, "fetching"},
                                                          {State::kVerifying, "verifying"},
                                                          {State::kVerified, "verified"},
                                                          {State::kFailed, "failed"}};

bool is_word(std::string_view text, std::string_view also) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || also.find(c) != also.npos;
  });
}

absl::Status bad(std::string_view what) { return absl::InvalidArgumentError(str_cat("a heartbeat with ", what)); }

template <typename Number>
bool number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// The numbers of a heartbeat by their keys.
template <typename Beat, typename Use>
void each_number(Beat& beat, const Use& use) {
  use("disk_used", beat.disk_used);
  use("disk_limit", beat.disk_limit);
  use("disk_pinned", beat.disk_pinned);
  use("layers", beat.layers);
  use("slow_reads", beat.slow_reads);
  use("slowest_read_ms", beat.slowest_read_ms);
  use("waiting_reads", beat.waiting_reads);
  use("starts", beat.starts);
  use("start_ms", beat.start_ms);
  use("longest_start_ms", beat.longest_start_ms);
  use("from_site", beat.from_site);
  use("from_swarm", beat.from_swarm);
  use("from_neighbours", beat.from_neighbours);
}

// "<manifest>,<level>", with "look-" before the level of a look.
std::string task_text(const WarmTask& task) {
  return str_cat(task.manifest.to_string(), ",", task.look ? "look-" : "", to_string(task.level));
}

absl::StatusOr<WarmTask> parse_task(std::string_view manifest, std::string_view level) {
  WarmTask task;
  SAMARA_ASSIGN_OR_RETURN(task.manifest, Digest::parse(manifest));
  task.look = level.starts_with("look-");
  if (task.look) level.remove_prefix(5);
  SAMARA_ASSIGN_OR_RETURN(task.level, parse_warm_level(level));
  return task;
}

// "<manifest>,<level>,<state>,<done>,<total>,<error>"
std::string report_text(const WarmReport& report) {
  return str_cat(task_text(report.task), ",", to_string(report.state), ",", report.done, ",", report.total, ",",
                 one_line(std::string_view(report.error).substr(0, kMostErrorBytes)));
}

absl::StatusOr<WarmReport> parse_report(std::string_view text) {
  const std::vector<std::string_view> parts = [&] {
    std::vector<std::string_view> found;
    for (int i = 0; i < 5; ++i) {
      const std::size_t comma = text.find(',');
      if (comma == std::string_view::npos) break;
      found.push_back(text.substr(0, comma));
      text.remove_prefix(comma + 1);
    }
    return found;
  }();
  if (parts.size() != 5) return bad("a report of too few parts");
  WarmReport report;
  absl::StatusOr<WarmTask> task = parse_task(parts[0], parts[1]);
  if (!task.ok()) return annotate(task.status(), "a heartbeat's report");
  report.task = *task;
  const auto* state = std::find_if(std::begin(kStates), std::end(kStates), [&](const auto& each) { return each.second == parts[2]; });
  if (state == std::end(kStates)) return bad("a report without a known state");
  report.state = state->first;
  if (!number(parts[3], report.done) || !number(parts[4], report.total)) return bad("a report without numbers");
  report.error = one_line(text.substr(0, kMostErrorBytes));
  return report;
}

absl::Status add_label(Heartbeat& beat, std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::string_view key = text.substr(0, equals), value = equals == text.npos ? "" : text.substr(equals + 1);
  if (key.empty() || key.size() > kMostLabelBytes || value.size() > kMostLabelBytes || !is_word(key, "._-/") || !is_word(value, "._-/"))
    return bad("a label that isn't key=value");
  if (beat.labels.size() >= kMostLabels) return bad("too many labels");
  beat.labels.insert_or_assign(std::string(key), std::string(value));
  return absl::OkStatus();
}

}  // namespace

std::string order_text(const WarmOrder& order) { return str_cat(task_text(order.task), " ", order.pin_until); }

absl::StatusOr<WarmOrder> parse_order(std::string_view line) {
  const std::size_t comma = line.find(','), space = line.find(' ');
  WarmOrder order;
  if (comma == line.npos || space == line.npos || comma > space || !number(line.substr(space + 1), order.pin_until))
    return absl::InvalidArgumentError("an order that isn't one");
  SAMARA_ASSIGN_OR_RETURN(order.task, parse_task(line.substr(0, comma), line.substr(comma + 1, space - comma - 1)));
  return order;
}

std::string_view to_string(WarmLevel level) {
  for (const auto& [each, text] : kLevels)
    if (each == level) return text;
  return "full";
}

absl::StatusOr<WarmLevel> parse_warm_level(std::string_view text) {
  for (const auto& [level, name] : kLevels)
    if (name == text) return level;
  return absl::InvalidArgumentError(str_cat("\"", one_line(text.substr(0, 64)), "\" is no level: index, trace or full"));
}

std::string_view to_string(State state) {
  for (const auto& [each, text] : kStates)
    if (each == state) return text;
  return "waiting";
}

bool is_node_name(std::string_view name) {
  return !name.empty() && name.size() <= kMostNameBytes && is_word(name, "._-");
}

std::string to_query(const Heartbeat& beat, std::size_t most) {
  std::string query = str_cat("?name=", http::percent_encode(beat.name), "&site=", http::percent_encode(beat.site),
                              "&version=", http::percent_encode(beat.version));
  for (const auto& [key, value] : beat.labels) str_append(&query, "&label=", http::percent_encode(str_cat(key, "=", value)));
  each_number(beat, [&](std::string_view key, std::uint64_t value) { str_append(&query, "&", key, "=", value); });
  std::size_t reports = 0;
  for (const WarmReport& report : beat.reports) {
    const std::string text = str_cat("&report=", http::percent_encode(report_text(report)));
    if (query.size() + text.size() > most || ++reports > kMostReports) break;
    query += text;
  }
  return query;
}

absl::StatusOr<Heartbeat> heartbeat_from(const http::Target& target) {
  Heartbeat beat;
  beat.name = target.query_value("name");
  beat.site = target.query_value("site");
  beat.version = one_line(target.query_value("version").substr(0, 64));
  if (!is_node_name(beat.name)) return bad("a name that no node can have (A-Z a-z 0-9 . _ -)");
  if (!beat.site.empty() && !is_node_name(beat.site)) return bad("a site's name that no site can have");
  absl::Status wrong;
  each_number(beat, [&](std::string_view key, std::uint64_t& value) {
    const std::string_view text = target.query_value(key);
    if (!text.empty() && !number(text, value)) wrong = bad(str_cat("a ", key, " that is no number"));
  });
  SAMARA_RETURN_IF_ERROR(wrong);
  for (const auto& [key, value] : target.query) {
    if (key == "label") SAMARA_RETURN_IF_ERROR(add_label(beat, value));
    if (key != "report") continue;
    if (beat.reports.size() >= kMostReports) return bad("too many reports");
    SAMARA_ASSIGN_OR_RETURN(WarmReport report, parse_report(value));
    beat.reports.push_back(std::move(report));
  }
  return beat;
}

std::string encode(const HeartbeatAnswer& answer) {
  std::string text = str_cat("beat ", answer.beat.count(), "\n\n");
  for (const WarmOrder& order : answer.orders) str_append(&text, order_text(order), "\n");
  return text;
}

absl::StatusOr<HeartbeatAnswer> decode_heartbeat_answer(std::string_view text) {
  if (text.size() > kMaxHeartbeatAnswerBytes) return absl::InvalidArgumentError("an answer to a heartbeat that is too long");
  const std::size_t end = text.find("\n\n");
  if (end == text.npos) return absl::InvalidArgumentError("an answer to a heartbeat without orders");
  const ProtocolLines lines(text.substr(0, end));
  HeartbeatAnswer answer;
  std::uint64_t beat = 0;
  SAMARA_RETURN_IF_ERROR(lines.number("beat", beat));
  answer.beat = std::chrono::milliseconds(std::clamp<std::uint64_t>(beat, kShortestBeat.count(), kLongestBeat.count()));
  for (text.remove_prefix(end + 2); !text.empty();) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty()) continue;
    if (answer.orders.size() >= kMostOrders) return absl::InvalidArgumentError("an answer to a heartbeat with too many orders");
    SAMARA_ASSIGN_OR_RETURN(WarmOrder order, parse_order(line));
    answer.orders.push_back(order);
  }
  return answer;
}

}  // namespace samara::peer
