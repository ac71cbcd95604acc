// One machine of a swarm, without containers: for tests and benchmarks of the swarm by itself.
//
//   swarm_peer seed  --root DIR --http ADDRESS:PORT --listen ADDRESS:PORT FILE    shares FILE; prints its digest
//   swarm_peer node  --root DIR --site URL --listen ADDRESS:PORT DIGEST           fetches it; prints seconds
//   swarm_peer liar  --root DIR --site URL --listen ADDRESS:PORT DIGEST           takes part, and gives zeros
//   swarm_peer idle  --root DIR --listen ADDRESS:PORT --mib SIZE COUNT    shares COUNT blobs that nobody wants, paused;
//        prints "idle MIB seconds S", what that takes of memory and of processor time in ten seconds, and ends
//
// Each of the others goes on giving until SIGTERM, and then prints a line "sent BYTES wrong PIECES cpu SECONDS" (the liar doesn't). A node fails
// when what it has then isn't the blob.
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <condition_variable>
#include <csignal>
#include <iostream>
#include <mutex>
#include <optional>
#include <thread>

#include "absl/strings/str_split.h"
#include "base/http/server.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "peer/swarm_sites.h"
#include "seed/seeding.h"
#include "swarm_liar.h"

namespace samara {
namespace {

struct Arguments {
  std::string root, http, listen, site, subject;
  std::uint64_t upload_limit = 0;
  std::size_t upload_slots = 0;
  std::uint64_t mib = 16;
};

void wait_for_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  int signal = 0;
  sigwait(&signals, &signal);
}

void block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// `cpu_before`: what was used before there was anything to share.
void print_sent(Metrics& metrics, double cpu_before = 0) {
  std::cout << "sent " << static_cast<std::uint64_t>(metrics.counter("samara_swarm_sent_bytes_total", "").value())
            << " wrong " << static_cast<std::uint64_t>(metrics.counter("samara_swarm_wrong_pieces_total", "").value())
            << " cpu " << cpu_seconds() - cpu_before << std::endl;
}

peer::Swarm::Options swarm_options(const Arguments& arguments) {
  peer::Swarm::Options options;
  options.listen = arguments.listen;
  options.upload_limit = arguments.upload_limit;
  options.upload_slots = arguments.upload_slots;
  return options;
}

absl::Status run_seed(const Arguments& arguments) {
  SAMARA_ASSIGN_OR_RETURN(const auto cache, cache_index::Cache::open({.root = arguments.root}, peer::Swarm::tables()));
  SAMARA_ASSIGN_OR_RETURN(const std::string bytes, read_file(arguments.subject, std::uint64_t{4} << 30));
  const Digest blob = cache_index::sha256(as_bytes(bytes));
  SAMARA_RETURN_IF_ERROR(cache->put_object(blob, as_bytes(bytes)));
  Metrics metrics;
  SystemClock clock;
  SAMARA_ASSIGN_OR_RETURN(const auto swarm, peer::Swarm::create(*cache, metrics, swarm_options(arguments)));
  seed::Grants grants(seed::Grants::random_secret(), clock);
  seed::Tracker tracker(clock, {});
  seed::Seeding seeding(*cache, *swarm, tracker, grants, clock, {});
  seeding.start();
  while (seeding.ticket(blob, "127.0.0.1").state != peer::SwarmTicket::State::kReady) std::this_thread::yield();
  SAMARA_ASSIGN_OR_RETURN(const auto server, http::Server::create({.listen = arguments.http}, [&](const auto& request, auto& out) {
                            if (!seeding.handle(request, out)) (void)out.respond(404);
                          }));
  std::cout << blob.to_string() << std::endl;
  const double cpu_before = cpu_seconds();
  wait_for_signal();
  server->stop();
  seeding.stop();
  print_sent(metrics, cpu_before);
  return absl::OkStatus();
}

absl::Status run_node(const Arguments& arguments) {
  SAMARA_ASSIGN_OR_RETURN(const auto cache, cache_index::Cache::open({.root = arguments.root}, peer::Swarm::tables()));
  SAMARA_ASSIGN_OR_RETURN(const Digest blob, Digest::parse(arguments.subject));
  Metrics metrics;
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<absl::Status> complete;
  peer::Swarm::Options options = swarm_options(arguments);
  options.on_complete = [&](const Digest&, const absl::Status& status) {
    const std::lock_guard lock(mutex);
    complete = status;
    changed.notify_all();
  };
  SAMARA_ASSIGN_OR_RETURN(const auto swarm, peer::Swarm::create(*cache, metrics, options));
  http::Client client;
  peer::SwarmSites sites(client, {arguments.site});
  const auto begin = std::chrono::steady_clock::now();
  SAMARA_ASSIGN_OR_RETURN(peer::Swarm::Blob found, sites.find(blob));
  SAMARA_RETURN_IF_ERROR(swarm->join(std::move(found)));
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return complete.has_value(); });
  }
  SAMARA_RETURN_IF_ERROR(*complete);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::cout << "seconds " << took.count() << std::endl;
  wait_for_signal();
  print_sent(metrics);
  SAMARA_ASSIGN_OR_RETURN(const std::string bytes, read_file(cache->object_path(blob), std::uint64_t{4} << 30));
  if (cache_index::sha256(as_bytes(bytes)) == blob) return absl::OkStatus();
  return absl::DataLossError("what came isn't the blob");
}

double resident_mib() {
  const std::string statm = read_file("/proc/self/statm", 4096).value_or("0 0");
  const std::vector<std::string> fields = absl::StrSplit(statm, ' ');
  return static_cast<double>(std::stoull(fields.at(1))) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

absl::Status run_idle(const Arguments& arguments) {
  SAMARA_ASSIGN_OR_RETURN(const auto cache, cache_index::Cache::open({.root = arguments.root}, peer::Swarm::tables()));
  Metrics metrics;
  SAMARA_ASSIGN_OR_RETURN(const auto swarm, peer::Swarm::create(*cache, metrics, swarm_options(arguments)));
  const double before = resident_mib();
  const int count = std::stoi(arguments.subject);
  for (int i = 0; i < count; ++i) {
    const Digest blob = cache_index::sha256(as_bytes(str_cat("idle ", i)));
    peer::BlobPieces pieces{.size = arguments.mib << 20, .hashes = {}};
    while (pieces.count() * std::uint64_t{pieces.piece_size()} < pieces.size) pieces.hashes += as_text(blob.bytes());
    SAMARA_RETURN_IF_ERROR(swarm->join({.digest = blob, .pieces = std::move(pieces), .index = nullptr, .trackers = {}, .peers = {}}));
    swarm->pause(blob);
  }
  const double grown = resident_mib() - before, cpu = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::seconds(10));
  std::cout << "idle " << grown << " seconds " << cpu_seconds() - cpu << std::endl;
  return absl::OkStatus();
}

absl::Status run_liar(const Arguments& arguments) {
  SAMARA_ASSIGN_OR_RETURN(const Digest blob, Digest::parse(arguments.subject));
  http::Client client;
  peer::SwarmSites sites(client, {arguments.site});
  SAMARA_ASSIGN_OR_RETURN(const peer::Swarm::Blob found, sites.find(blob));
  return with_liar(arguments.root, arguments.listen, found, wait_for_signal);
}

}  // namespace
}  // namespace samara

int main(int argc, char** argv) {
  using namespace samara;
  block_signals();
  Arguments arguments;
  CLI::App app{"One machine of a swarm, without containers", "swarm_peer"};
  app.require_subcommand(1);
  std::map<std::string, CLI::App*> commands;
  for (const char* name : {"seed", "node", "liar", "idle"}) {
    CLI::App* command = commands[name] = app.add_subcommand(name);
    command->add_option("--root", arguments.root, "where its cache lies")->required();
    command->add_option("--listen", arguments.listen, "address:port of the swarm")->required();
    command->add_option("--upload-limit", arguments.upload_limit, "bytes a second");
    command->add_option("--upload-slots", arguments.upload_slots, "peers given to at once");
    command->add_option("subject", arguments.subject, "the file, or the blob's digest")->required();
  }
  commands["seed"]->add_option("--http", arguments.http, "address:port of the site")->required();
  for (const char* name : {"node", "liar"}) commands[name]->add_option("--site", arguments.site, "the seed's URL")->required();
  commands["idle"]->add_option("--mib", arguments.mib, "size of each blob")->check(CLI::Range(1, 1024));
  CLI11_PARSE(app, argc, argv);

  const rlimit files{.rlim_cur = 1u << 18, .rlim_max = 1u << 18};
  (void)::setrlimit(RLIMIT_NOFILE, &files);  // a file a blob; what doesn't do is told by the first that can't be opened
  const absl::Status status = commands["idle"]->parsed()   ? run_idle(arguments)
                              : commands["seed"]->parsed()   ? run_seed(arguments)
                              : commands["node"]->parsed() ? run_node(arguments)
                                                           : run_liar(arguments);
  if (status.ok()) return 0;
  log::error("swarm_peer fails", {{"error", status}});
  return 1;
}
