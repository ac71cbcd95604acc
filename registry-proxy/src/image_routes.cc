#include "image_routes.h"

#include <chrono>

#include "absl/strings/numbers.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/text.h"
#include "json.h"
#include "site_images.h"

namespace samara::registry_proxy {
namespace {

using cache_index::Cache;
using cache_index::ImageCache;
using cache_index::ImageState;
using nlohmann::json;

constexpr std::uint64_t kLongestAge = 100ull * 366 * 86'400;

// A client that left needs no answer.
void answer(http::ResponseWriter& out, int status, std::string_view text) { (void)out.respond(status, str_cat(text, "\n"), "text/plain"); }

void answer(http::ResponseWriter& out, const absl::Status& status) {
  const int code = absl::IsNotFound(status) ? 404 : absl::IsFailedPrecondition(status) ? 409 : absl::IsInvalidArgument(status) ? 400 : 500;
  answer(out, code, to_std(status.message()));
}

void answer(http::ResponseWriter& out, const json& body) {
  (void)out.respond(200, body.dump(-1, ' ', false, json::error_handler_t::replace), "application/json");
}

json to_json(const ImageState& state) {
  json pins = json::array(), layers = json::array();
  for (const Cache::Pin& pin : state.pins) pins.push_back({{"name", pin.name}, {"reason", pin.reason}, {"expires", pin.expires}});
  for (const ImageState::Layer& layer : state.layers) {
    layers.push_back({{"digest", layer.layer.to_string()},
                      {"bytes", layer.bytes},
                      {"bytes_total", layer.bytes_total},
                      {"original_bytes", layer.original_bytes},
                      {"shared_with", layer.shared_with}});
  }
  return {{"name", state.image.name},
          {"manifest", state.image.manifest.to_string()},
          {"complete", state.complete},
          {"in_use", state.image.in_use},
          {"bytes", state.bytes},
          {"bytes_total", state.bytes_total},
          {"bytes_shared", state.bytes_shared},
          {"last_use", state.last_use},
          {"pins", std::move(pins)},
          {"layers", std::move(layers)}};
}

void answer(http::ResponseWriter& out, const absl::StatusOr<ImageCache::Removed>& removed) {
  if (!removed.ok()) return answer(out, removed.status());
  json kept = json::array();
  for (const ImageCache::Kept& one : removed->kept) kept.push_back({{"name", one.name}, {"why", one.why}});
  answer(out, json{{"images", removed->images}, {"bytes", removed->bytes}, {"kept", std::move(kept)}});
}

void list(const ImageCache& images, const std::string& name, http::ResponseWriter& out) {
  const absl::StatusOr<std::vector<ImageState>> states = images.list();
  if (!states.ok()) return answer(out, states.status());
  json found = json::array();
  for (const ImageState& state : *states)
    if (name.empty() || state.image.is_meant_by(name)) found.push_back(to_json(state));
  if (!name.empty() && found.empty())
    return answer(out, absl::NotFoundError(str_cat("no image \"", name, "\" here; `samara image ls` lists them")));
  answer(out, json{{"images", std::move(found)}});
}

void prune(ImageCache& images, const http::Target& target, Cache::Doing doing, http::ResponseWriter& out) {
  std::uint64_t seconds = 0;
  const std::string_view text = target.query_value("unused_seconds");
  if (!text.empty() && (!absl::SimpleAtoi(to_absl(text), &seconds) || seconds > kLongestAge))
    return answer(out, absl::InvalidArgumentError("unused_seconds must be a number, of at most a century"));
  answer(out, images.prune(std::chrono::seconds(seconds), doing));
}

}  // namespace

bool is_this_machine(std::string_view peer) {
  return peer.starts_with("127.") || peer.starts_with("[::1]") || peer.starts_with("::1:") ||
         peer.starts_with("[::ffff:127.");
}

void answer_images(Cache& cache, const http::Request& request, http::ResponseWriter& out) {
  if (!is_this_machine(request.peer)) return answer(out, 403, "images are looked at on the site's own machine");
  SystemClock clock;
  SiteImages names(cache);
  ImageCache images(cache, names, clock);
  const std::string name(request.target.query_value("name"));
  const Cache::Doing doing = request.target.query_value("plan") == "1" ? Cache::Doing::kPlan : Cache::Doing::kRemove;
  const bool is_prune = request.target.path == kPrunePath;
  if (is_prune && request.method == "POST") return prune(images, request.target, doing, out);
  if (!is_prune && (request.method == "GET" || request.method == "HEAD")) return list(images, name, out);
  if (!is_prune && request.method == "DELETE") return answer(out, images.remove(name, doing));
  out.header("Allow", is_prune ? "POST" : "GET, HEAD, DELETE");
  answer(out, 405, is_prune ? "only POST" : "only GET and DELETE");
}

}  // namespace samara::registry_proxy
