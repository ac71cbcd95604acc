#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <optional>

#include "base/config.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "job_view.h"
#include "jobs.h"
#include "node_client.h"
#include "proto_json.h"
#include "seed_client.h"
#include "terminal.h"
#include "warm_manifest.h"

namespace samara::cli {
namespace {

namespace api = seed::v1;

constexpr const char* kHelp = R"(Places images on nodes before anybody asks for them. The site's seed does it: it asks the registry what each name means,
converts what isn't converted, and has the chosen nodes fetch and verify it, at the back of everything that containers
wait for. The job goes on after this command; nodes that come later within its life get the images too.

  --level index   what it takes to mount the image
  --level trace   ... and what its containers are known to read while they start
  --level full    ... and everything else: it starts with no link at all

With --wait, the exit code is 0 only when every chosen node has verified what was asked; else it is told which nodes lack
what, and why. --plan moves nothing: what is missing where, bytes by link, and the least time that the links allow.
--deadline refuses at once what they can't carry in time ([seed] node_rate, site_rate and upstream_rate in site.toml).

Nodes of the sites below (those that name this one as [parent]) are meant too, unless --site says otherwise: each byte
crosses their links once, within the links' budgets; a link that is cut is waited for.

Examples:
  samara warm docker.io/library/python:3.12 --wait
  samara warm registry.example/train:7 --site edge-1 --site edge-2 --plan
  samara warm registry.example/train:7 --nodes zone=a,gpu --level full --pin 24h --deadline 10m --wait
  samara warm -f batch.yaml --plan
  samara warm --from-k8s deployment.yaml jobs.yaml --level trace)";

struct Options {
  SeedAddress seed;
  std::vector<std::string> images, sites, kubernetes;
  std::string batch, nodes, platform, level, deadline, pin, by;
  bool wait = false, plan = false, json = false;
};

absl::StatusOr<std::string> read_input(const std::string& path) {
  constexpr std::uint64_t kMost = 4u << 20;
  if (path != "-") return read_file(path, kMost);
  std::string text;
  char part[4096];
  for (std::size_t count = 0; (count = std::fread(part, 1, sizeof part, stdin)) > 0;) {
    text.append(part, count);
    if (text.size() > kMost) return absl::InvalidArgumentError("standard input is larger than 4 MiB");
  }
  return text;
}

// As in configuration files; nothing is 0.
absl::StatusOr<std::uint64_t> seconds_of(const std::string& text, const char* option) {
  if (text.empty()) return 0;
  const absl::Status wrong = absl::InvalidArgumentError(str_cat(option, " must be a time such as 90s, 10m or 24h, not \"", text, "\""));
  absl::StatusOr<Config> config = Config::parse(str_cat("value = \"", text, "\""), option);
  if (!config.ok()) return wrong;
  const auto time = config->duration("value", std::chrono::milliseconds(0));
  if (!config->finish().ok()) return wrong;
  return static_cast<std::uint64_t>(time.count()) / 1000;
}

std::string random_word() {
  unsigned char bytes[16] = {};
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return "";
  std::string word;
  for (const unsigned char byte : bytes) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", byte);
    word += hex;
  }
  return word;
}

absl::Status add_file(const std::string& path, bool kubernetes, WarmManifest& all) {
  absl::StatusOr<std::string> text = read_input(path);
  SAMARA_RETURN_IF_ERROR(annotate(text.status(), path));
  SAMARA_ASSIGN_OR_RETURN(WarmManifest manifest, kubernetes ? parse_kubernetes(*text, path) : parse_batch(*text, path));
  for (WarmEntry& entry : manifest.images) all.images.push_back(std::move(entry));
  for (std::string& kind : manifest.passed_over) all.passed_over.push_back(std::move(kind));
  if (!manifest.pin.empty()) all.pin = manifest.pin;
  return absl::OkStatus();
}

absl::StatusOr<api::WarmRequest> request_of(const Options& options) {
  WarmManifest all;
  for (const std::string& image : options.images) all.images.push_back({.image = image, .platform = {}, .level = {}, .nodes = {}, .deadline = {}, .sites = {}});
  if (!options.batch.empty()) SAMARA_RETURN_IF_ERROR(add_file(options.batch, false, all));
  for (const std::string& path : options.kubernetes) SAMARA_RETURN_IF_ERROR(add_file(path, true, all));
  if (all.images.empty()) return absl::InvalidArgumentError("name an image, a batch (-f) or Kubernetes manifests (--from-k8s)");
  const auto or_else = [](const std::string& own, const std::string& fallback) { return own.empty() ? fallback : own; };
  api::WarmRequest request;
  for (const WarmEntry& entry : all.images) {
    api::WarmWish* const wish = request.add_wishes();
    wish->set_image(entry.image);
    wish->set_platform(or_else(entry.platform, options.platform));
    wish->set_level(or_else(or_else(entry.level, options.level), "full"));
    wish->set_nodes(or_else(entry.nodes, options.nodes));
    for (const std::string& site : entry.sites.empty() ? options.sites : entry.sites) wish->add_sites(site);
    SAMARA_ASSIGN_OR_RETURN(const std::uint64_t deadline, seconds_of(or_else(entry.deadline, options.deadline), "a deadline"));
    wish->set_deadline_seconds(deadline);
  }
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t pin, seconds_of(or_else(options.pin, all.pin), "a pin"));
  request.set_pin_seconds(pin);
  request.set_plan(options.plan);
  request.set_request(random_word());
  request.set_by(options.by);
  if (!all.passed_over.empty() && !options.json) std::fprintf(stderr, "samara: %zu objects without images were passed over\n", all.passed_over.size());
  return request;
}

absl::Status run(const Options& options, int& exit_code) {
  SAMARA_ASSIGN_OR_RETURN(const api::WarmRequest request, request_of(options));
  SAMARA_ASSIGN_OR_RETURN(const SeedClient seed, SeedClient::connect(options.seed));
  SAMARA_ASSIGN_OR_RETURN(api::Job job, seed.ask(&api::Seed::Stub::Warm, request));
  const bool watches = options.wait || options.plan;
  if (watches) {
    if (!options.json && !options.plan) std::fprintf(stderr, "%s: samara job show %s\n", job.id().c_str(), job.id().c_str());
    SAMARA_ASSIGN_OR_RETURN(job, watch_job(options.seed, job.id(), options.json || options.plan ? Progress::kNone : Progress::kShow));
  }
  if (options.json) {
    print_json(to_json(job));
  } else if (options.plan) {
    std::printf("%s", job.state() == "planned" ? plan_text(job).c_str() : verdict_text(job, wants_colour(stdout)).c_str());
  } else if (options.wait) {
    std::printf("%s", verdict_text(job, wants_colour(stdout)).c_str());
  } else {
    std::printf("%s\n", job.id().c_str());
  }
  exit_code = watches ? exit_code_of(job) : 0;
  return absl::OkStatus();
}

}  // namespace

void add_warm(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("warm", "Places images on nodes ahead of their use");
  command->footer(kHelp);
  command->add_option("IMAGE", options->images, "Images, as pods name them");
  command->add_option("-f,--file", options->batch, "A batch: YAML with images, levels, sites and deadlines; - is standard input");
  command->add_option("--from-k8s", options->kubernetes, "Take the images out of Kubernetes manifests");
  command->add_option("--site", options->sites, "Only nodes of this site; all without it");
  command->add_option("--nodes", options->nodes, "Which nodes, as of samara nodes; all without it");
  command->add_option("--platform", options->platform, "os/architecture, e.g. linux/arm64; the seed's own without it");
  command->add_option("--level", options->level, "index, trace or full (default full)")->check(CLI::IsMember({"index", "trace", "full"}));
  command->add_option("--deadline", options->deadline, "When it must be verified everywhere, e.g. 10m; refused when it can't be");
  command->add_option("--pin", options->pin, "Keep it from eviction for so long, e.g. 24h");
  command->add_option("--by", options->by, "Who asks, for whoever looks at the jobs later")->envname("USER");
  command->add_flag("--wait", options->wait, "Wait until it is over");
  command->add_flag("--plan", options->plan, "Only say what it would take");
  command->add_flag("--json", options->json, "Print the job as JSON");
  add_seed_address(*command, options->seed);
  command->callback([options, &exit_code] {
    if (const absl::Status status = run(*options, exit_code); !status.ok()) exit_code = report(status);
  });
}

}  // namespace samara::cli
