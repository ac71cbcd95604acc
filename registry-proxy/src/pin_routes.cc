#include "pin_routes.h"

#include <chrono>

#include "absl/strings/numbers.h"
#include "base/status.h"
#include "base/text.h"
#include "image_routes.h"
#include "json.h"
#include "site_images.h"

namespace samara::registry_proxy {
namespace {

using cache_index::Cache;

void answer(http::ResponseWriter& out, int status, std::string_view text) {
  (void)out.respond(status, str_cat(text, "\n"), "text/plain");  // a client that left needs no answer
}

void answer(http::ResponseWriter& out, const absl::Status& status) {
  if (status.ok()) return answer(out, 200, "done");
  const int code = absl::IsNotFound(status) ? 404 : absl::IsInvalidArgument(status) ? 400 : 500;
  answer(out, code, to_std(status.message()));
}

void list(Cache& cache, http::ResponseWriter& out) {
  const absl::StatusOr<std::vector<Cache::Pin>> pins = cache.pins();
  if (!pins.ok()) return answer(out, pins.status());
  nlohmann::json json = {{"pins", nlohmann::json::array()}};
  for (const Cache::Pin& pin : *pins) {
    nlohmann::json members = nlohmann::json::array();
    for (const Digest& member : pin.members) members.push_back(member.to_string());
    json["pins"].push_back({{"name", pin.name},
                            {"reason", pin.reason},
                            {"expires", pin.expires},
                            {"bytes", cache.pinned_bytes(pin)},
                            {"members", std::move(members)}});
  }
  (void)out.respond(200, json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), "application/json");
}

absl::Status add(Cache& cache, const http::Target& target) {
  Cache::Pin pin;
  pin.name = std::string(target.query_value("name"));
  pin.reason = std::string(target.query_value("reason"));
  std::uint64_t seconds = 0;
  const std::string_view text = target.query_value("seconds");
  if (!text.empty() && (!absl::SimpleAtoi(to_absl(text), &seconds) || seconds > 100ull * 366 * 86'400))
    return absl::InvalidArgumentError("seconds must be a number, of at most a century");
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  if (seconds > 0) pin.expires = static_cast<std::uint64_t>(now.count()) + seconds;
  SAMARA_ASSIGN_OR_RETURN(pin.members, pin_members(cache, pin.name));
  return cache.add_pin(pin);
}

}  // namespace

absl::StatusOr<std::vector<Digest>> pin_members(Cache& cache, const std::string& name) {
  auto digest = Digest::parse(name);
  if (!digest.ok()) {
    const auto row = cache.store().get("tags", name);
    if (!row.ok()) return absl::NotFoundError(str_cat("\"", name, "\" is neither a digest nor a tag that was pulled through here"));
    digest = Digest::parse(std::string_view(*row).substr(0, row->find(' ')));
    SAMARA_RETURN_IF_ERROR(digest.status());
  }
  return SiteImages(cache).contents_of(*digest).members();
}

void answer_pins(Cache& cache, const http::Request& request, http::ResponseWriter& out) {
  if (!is_this_machine(request.peer)) return answer(out, 403, "pins are for the site's own machine");
  if (request.method == "GET" || request.method == "HEAD") return list(cache, out);
  if (request.method != "PUT" && request.method != "DELETE") {
    out.header("Allow", "GET, HEAD, PUT, DELETE");
    return answer(out, 405, "only GET, PUT and DELETE");
  }
  if (request.method == "PUT") return answer(out, add(cache, request.target));
  answer(out, cache.remove_pin(std::string(request.target.query_value("name"))));
}

}  // namespace samara::registry_proxy
