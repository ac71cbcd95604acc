#include "link_route.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "base/text.h"

namespace samara::registry_proxy {
namespace {

constexpr std::size_t kUsualDays = 7, kMostDays = 400;

nlohmann::json day_json(const peer::Link::Day& day) {
  nlohmann::json bytes;
  for (std::size_t i = 0; i < peer::kTrafficKinds; ++i) bytes[std::string(to_string(static_cast<peer::Traffic>(i)))] = day.bytes[i];
  return {{"date", day.date}, {"bytes", bytes}, {"total", day.total()}};
}

nlohmann::json link_json(const ParentLayers& parent, std::size_t days) {
  const peer::Link::Ledger ledger = parent.link().ledger(days);
  nlohmann::json link = {{"name", ledger.options.name},
                         {"up", ledger.up},
                         {"since", std::chrono::duration_cast<std::chrono::seconds>(ledger.since.time_since_epoch()).count()},
                         {"error", ledger.error},
                         {"bytes_per_second", ledger.options.bytes_per_second},
                         {"bytes_per_day", ledger.options.bytes_per_day},
                         {"over_budget", ledger.options.over_budget == peer::Link::OverBudget::kReads ? "reads" : "nothing"},
                         {"refused", ledger.refused},
                         {"spent", ledger.spent},
                         {"arriving", nlohmann::json::array()},
                         {"days", nlohmann::json::array()}};
  for (const ParentLayers::Progress& blob : parent.progress())
    link["arriving"].push_back({{"layer", blob.record.layer.to_string()},
                                {"blob", blob.record.blob.to_string()},
                                {"bytes", blob.record.blob_size},
                                {"bytes_here", blob.bytes_here}});
  for (const peer::Link::Day& day : ledger.days) link["days"].push_back(day_json(day));
  return link;
}

}  // namespace

void answer_links(const ParentLayers* parent, const http::Request& request, http::ResponseWriter& out) {
  std::size_t days = kUsualDays;
  if (std::uint64_t asked = 0; absl::SimpleAtoi(to_absl(request.target.query_value("days")), &asked))
    days = std::clamp<std::uint64_t>(asked, 1, kMostDays);
  nlohmann::json links = nlohmann::json::array();
  if (parent != nullptr) links.push_back(link_json(*parent, days));
  const std::string text = nlohmann::json{{"links", links}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  (void)out.respond(200, text, "application/json");  // a client that left needs no answer
}

}  // namespace samara::registry_proxy
