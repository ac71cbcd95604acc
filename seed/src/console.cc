#include "seed/console.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "api.h"
#include "base/status.h"
#include "base/text.h"
#include "console_assets.h"
#include "seed/selector.h"

namespace samara::seed {
namespace {

namespace api = seed::v1;

constexpr std::string_view kPage = "/console", kFleet = "/samara/v1/fleet", kNodes = "/samara/v1/fleet/nodes", kJobs = "/samara/v1/fleet/jobs/";
constexpr std::size_t kMostNodes = 1'000, kMostJobs = 50;
// Nothing from elsewhere, nothing written into the page, nobody's frame.
constexpr std::string_view kPolicy =
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

void answer(http::ResponseWriter& out, int status, std::string_view text, std::string_view type = "text/plain; charset=utf-8") {
  out.header("X-Content-Type-Options", "nosniff");
  (void)out.respond(status, text, type);  // a client that left needs no answer
}

void answer(http::ResponseWriter& out, const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) return answer(out, 500, "it can't be said as JSON\n");
  out.header("Cache-Control", "no-store");
  answer(out, 200, json, "application/json");
}

struct Asset {
  std::string_view path, type, content;
};
const Asset kAssets[] = {{"/console/", "text/html; charset=utf-8", console_index_html()},
                         {"/console/style.css", "text/css; charset=utf-8", console_style_css()},
                         {"/console/app.js", "text/javascript; charset=utf-8", console_app_js()}};

void answer_asset(const http::Request& request, http::ResponseWriter& out) {
  out.header("Content-Security-Policy", kPolicy);
  out.header("Referrer-Policy", "no-referrer");
  if (request.target.path == kPage) {
    out.header("Location", "/console/");
    return answer(out, 301, "");
  }
  for (const Asset& asset : kAssets)
    if (asset.path == request.target.path) return answer(out, 200, asset.content, asset.type);
  answer(out, 404, "no such page\n");
}

}  // namespace

bool Console::handle(const http::Request& request, http::ResponseWriter& out) {
  const std::string_view path = request.target.path;
  const bool page = path == kPage || path.starts_with("/console/");
  if (!page && path != kFleet && !path.starts_with(str_cat(kFleet, "/"))) return false;
  if (path.starts_with(kJobs)) {
    change_job(request, out);
  } else if (request.method != "GET" && request.method != "HEAD") {
    out.header("Allow", "GET, HEAD");
    answer(out, 405, "only GET and HEAD\n");
  } else if (page) {
    answer_asset(request, out);
  } else if (path == kFleet) {
    answer_overview(request, out);
  } else if (path == kNodes) {
    answer_nodes(request, out);
  } else {
    answer(out, 404, "no such resource\n");
  }
  return true;
}

void Console::answer_overview(const http::Request& request, http::ResponseWriter& out) {
  const SiteFacts facts = facts_();
  api::Overview all;
  all.set_version(version_);
  all.set_may_change(!request.client.empty());
  all.set_disk_used(facts.disk_used);
  all.set_disk_limit(facts.disk_limit);
  all.set_layers(facts.layers);
  for (const SiteFacts::Swarm& swarm : facts.swarms) {
    api::Swarm* const one = all.add_swarms();
    one->set_blob(swarm.blob);
    one->set_pieces(swarm.pieces);
    one->set_pieces_total(swarm.pieces_total);
    one->set_peers(static_cast<std::uint32_t>(std::max(0, swarm.peers)));
    one->set_upload_rate(static_cast<std::uint32_t>(std::max(0, swarm.upload_rate)));
    one->set_uploaded(swarm.uploaded);
  }
  warming_.look([&](const Fleet& fleet, const seed::Jobs& jobs, Time now) {
    all.set_site(fleet.options().site);
    api::SitesResponse sites;
    set_sites(fleet, version_, now, &sites);
    for (const api::Site& site : sites.sites()) {
      all.set_nodes(all.nodes() + site.nodes());
      all.set_nodes_away(all.nodes_away() + site.nodes_away());
      all.set_slow_reads(all.slow_reads() + site.slow_reads());
      all.set_waiting_reads(all.waiting_reads() + site.waiting_reads());
    }
    all.mutable_sites()->Swap(sites.mutable_sites());
    std::vector<const Job*> sorted;
    for (const auto& [id, job] : jobs.all()) sorted.push_back(&job);
    const auto newer = [](const Job* a, const Job* b) { return std::pair(a->is_over(), b->created) < std::pair(b->is_over(), a->created); };
    std::sort(sorted.begin(), sorted.end(), newer);  // those that run first
    if (sorted.size() > kMostJobs) sorted.resize(kMostJobs);
    for (const Job* job : sorted) set_job(*job, jobs, Items::kNo, all.add_jobs());
  });
  answer(out, all);
}

void Console::answer_nodes(const http::Request& request, http::ResponseWriter& out) {
  const absl::StatusOr<Selector> selector = Selector::parse(request.target.query_value("selector"));
  if (!selector.ok()) return answer(out, 400, str_cat(to_std(selector.status().message()), "\n"));
  std::size_t limit = kMostNodes;
  if (std::uint64_t asked = 0; absl::SimpleAtoi(to_absl(request.target.query_value("limit")), &asked)) limit = std::min<std::uint64_t>(asked, kMostNodes);
  api::NodeList list;
  warming_.look([&](const Fleet& fleet, const seed::Jobs&, Time now) {
    for (const auto& [name, node] : fleet.nodes()) {
      if (!selector->matches(name, node.last.labels)) continue;
      list.set_total(list.total() + 1);
      if (list.nodes_size() < static_cast<int>(limit)) set_node(name, node, fleet, now, list.add_nodes());
    }
  });
  answer(out, list);
}

void Console::change_job(const http::Request& request, http::ResponseWriter& out) {
  if (request.method != "POST") {
    out.header("Allow", "POST");
    return answer(out, 405, "only POST\n");
  }
  if (request.client.empty() || !request.headers.find("Samara-Console"))
    return answer(out, 403, "this page is read-only here: a site that asks for tokens or certificates lets those change jobs who show one\n");
  const std::string_view rest = std::string_view(request.target.path).substr(kJobs.size());
  const std::size_t slash = rest.find('/');
  const std::string_view what = slash == rest.npos ? "" : rest.substr(slash + 1);
  const std::pair<std::string_view, Warming::Change> changes[] = {
      {"cancel", Warming::Change::kCancel}, {"resume", Warming::Change::kResume}, {"retry", Warming::Change::kRetry}};
  for (const auto& [word, change] : changes) {
    if (word != what) continue;
    const absl::Status changed = warming_.change(std::string(rest.substr(0, slash)), change);
    return answer(out, changed.ok() ? 200 : absl::IsNotFound(changed) ? 404 : 409, changed.ok() ? "done\n" : str_cat(to_std(changed.message()), "\n"));
  }
  answer(out, 404, "a job can be cancelled, resumed or retried\n");
}

}  // namespace samara::seed
