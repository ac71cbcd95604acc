#include "jobs.h"

#include <CLI/CLI.hpp>
#include <ctime>
#include <memory>
#include <thread>

#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "job_view.h"
#include "node_client.h"
#include "proto_json.h"
#include "terminal.h"

namespace samara::cli {
namespace {

namespace api = seed::v1;

constexpr std::chrono::seconds kSeedPatience{120};
constexpr std::chrono::milliseconds kRetry{500};

constexpr const char* kHelp = R"(A job is what `samara warm` asks for; it goes on whether anybody watches or not, also over a restart of the seed.

Examples:
  samara jobs
  samara job show w12            which node lacks what, and why
  samara job watch w12
  samara job cancel w12          resume takes it up again
  samara job retry w12           what has failed is tried again)";

struct Options {
  SeedAddress seed;
  std::string id;
  bool json = false;
};

std::string wishes_of(const api::Job& job) {
  if (job.images().empty()) return "-";
  const std::string& first = job.images(0).wish().image();
  return job.images_size() == 1 ? first : str_cat(first, " and ", job.images_size() - 1, " more");
}

absl::Status list(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(const SeedClient seed, SeedClient::connect(options.seed));
  SAMARA_ASSIGN_OR_RETURN(const api::JobsResponse response, seed.ask(&api::Seed::Stub::Jobs, api::JobsRequest()));
  if (options.json) {
    print_json(to_json(response));
    return absl::OkStatus();
  }
  const auto now = static_cast<std::uint64_t>(std::time(nullptr));
  std::vector<std::vector<std::string>> rows = {{"JOB", "STATE", "VERIFIED", "FAILED", "AGE", "BY", "IMAGES"}};
  for (const api::Job& job : response.jobs()) {
    rows.push_back({job.id(), job.state(), str_cat(job.counts().verified(), "/", job.counts().nodes()), str_cat(job.counts().failed()),
                    human_time(now > job.created() ? now - job.created() : 0), job.by().empty() ? "-" : job.by(), wishes_of(job)});
  }
  print_table(rows);
  return absl::OkStatus();
}

void print(const api::Job& job) {
  std::printf("%s  %s%s%s\n", job.id().c_str(), job.state().c_str(), job.reason().empty() ? "" : ": ", job.reason().c_str());
  if (job.state() == "planned") {
    std::printf("%s", plan_text(job).c_str());
    return;
  }
  for (const api::Image& image : job.images()) {
    std::printf("\n%s  %s  %s%s%s\n", image.wish().image().c_str(), image.wish().level().c_str(), image.phase().c_str(),
                image.error().empty() ? "" : ": ", image.error().c_str());
    std::vector<std::vector<std::string>> rows = {{"  NODE", "SITE", "STATE", "HERE", "WHY"}};
    for (const api::Item& item : image.items()) {
      const std::uint64_t total = std::max(item.bytes_total(), item.bytes_missing());
      rows.push_back({str_cat("  ", item.node()), item.site(), str_cat(item.state(), item.away() ? ", away" : ""),
                      total == 0 ? "-" : str_cat(std::min<std::uint64_t>(100, item.bytes_done() * 100 / total), " %"), item.error()});
    }
    print_table(rows);
  }
}

absl::Status show(const Options& options, int& exit_code) {
  SAMARA_ASSIGN_OR_RETURN(const SeedClient seed, SeedClient::connect(options.seed));
  api::GetJobRequest request;
  request.set_id(options.id);
  request.set_items(true);
  SAMARA_ASSIGN_OR_RETURN(const api::Job job, seed.ask(&api::Seed::Stub::GetJob, request));
  if (options.json) {
    print_json(to_json(job));
  } else {
    print(job);
  }
  exit_code = 0;
  return absl::OkStatus();
}

absl::Status watch(const Options& options, int& exit_code) {
  SAMARA_ASSIGN_OR_RETURN(const api::Job job, watch_job(options.seed, options.id, options.json ? Progress::kJsonLines : Progress::kShow));
  if (!options.json) std::printf("%s", (job.state() == "planned" ? plan_text(job) : verdict_text(job, wants_colour(stdout))).c_str());
  exit_code = exit_code_of(job);
  return absl::OkStatus();
}

absl::Status change(const Options& options, api::ChangeJobRequest::Change change, int& exit_code) {
  SAMARA_ASSIGN_OR_RETURN(const SeedClient seed, SeedClient::connect(options.seed));
  api::ChangeJobRequest request;
  request.set_id(options.id);
  request.set_change(change);
  SAMARA_ASSIGN_OR_RETURN(const api::Job job, seed.ask(&api::Seed::Stub::ChangeJob, request));
  if (options.json) {
    print_json(to_json(job));
  } else {
    std::printf("%s is %s\n", job.id().c_str(), job.state().c_str());
  }
  exit_code = 0;
  return absl::OkStatus();
}

/// Reads one stream to its end; `last` is what came last.
absl::Status read_stream(const SeedClient& seed, const std::string& id, JobView* view, Progress progress, api::Job& last) {
  grpc::ClientContext context;
  seed.prepare(context);
  api::GetJobRequest request;
  request.set_id(id);
  const auto stream = seed.stub().WatchJob(&context, request);
  api::Job job;
  while (stream->Read(&job)) {
    last = job;
    if (progress == Progress::kShow) view->show(job, std::chrono::steady_clock::now());
    if (progress == Progress::kJsonLines) {
      std::printf("%s\n", to_json(job).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
      std::fflush(stdout);
    }
  }
  return seed.to_status(stream->Finish());
}

}  // namespace

absl::StatusOr<api::Job> watch_job(const SeedAddress& address, const std::string& id, Progress progress) {
  JobView view(stderr);
  api::Job last;
  auto heard = std::chrono::steady_clock::now();
  while (true) {
    SAMARA_ASSIGN_OR_RETURN(const SeedClient seed, SeedClient::connect(address));
    last.Clear();
    const absl::Status status = read_stream(seed, id, &view, progress, last);
    const auto now = std::chrono::steady_clock::now();
    if (!last.id().empty()) heard = now;
    if (!status.ok() && (!absl::IsUnavailable(status) || now - heard > kSeedPatience)) return status;
    if (status.ok()) {
      view.end();
      api::GetJobRequest request;
      request.set_id(id);
      request.set_items(true);
      absl::StatusOr<api::Job> job = seed.ask(&api::Seed::Stub::GetJob, request);
      if (!absl::IsUnavailable(job.status())) return job;
    }
    std::this_thread::sleep_for(kRetry);  // the seed is being restarted, perhaps
  }
}

int exit_code_of(const api::Job& job) {
  if (job.state() == "done") return 0;
  if (job.state() != "planned") return 1;
  for (const api::Image& image : job.images())
    if (!image.error().empty()) return 1;
  return 0;
}

void add_jobs(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  const auto prepare = [&](CLI::App* command) {
    command->footer(kHelp);
    add_seed_address(*command, options->seed);
    command->add_flag("--json", options->json, "Print JSON");
    return command;
  };
  CLI::App* jobs = prepare(app.add_subcommand("jobs", "Lists the warm jobs of a site"));
  jobs->callback([options, &exit_code] { exit_code = report(list(*options)); });
  CLI::App* job = app.add_subcommand("job", "Shows or changes one warm job");
  job->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, auto run) {
    CLI::App* command = prepare(job->add_subcommand(name, help));
    command->add_option("JOB", options->id, "As samara jobs shows it")->required();
    command->callback([options, &exit_code, run] {
      if (const absl::Status status = run(*options, exit_code); !status.ok()) exit_code = report(status);
    });
  };
  add("show", "Every node's state, and why", show);
  add("watch", "Shows progress until it is over; exits 0 only when all is verified", watch);
  add("cancel", "Ends it: what nodes have so far stays in their caches", [](const Options& o, int& code) { return change(o, api::ChangeJobRequest::CANCEL, code); });
  add("resume", "Takes up what was cancelled or refused", [](const Options& o, int& code) { return change(o, api::ChangeJobRequest::RESUME, code); });
  add("retry", "Tries again what has failed", [](const Options& o, int& code) { return change(o, api::ChangeJobRequest::RETRY, code); });
}

}  // namespace samara::cli
