// Many nodes of one site, in one process and without disks: each tells the site that it lives, over a connection of its
// own, and does what it is ordered by pretending. For the benchmark of a seed.
//
//   fleet_sim --site URL --nodes 1000 --seconds 60 --vanish 0.05 --vanish-after 20 --join 50 --join-after 40
//
// Prints "beats N failed N slowest MS orders N".
#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <queue>
#include <thread>
#include <vector>

#include "base/text.h"
#include "peer/warm_client.h"

namespace samara {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Arguments {
  std::string site;
  std::size_t nodes = 1000, threads = 4, join = 0;
  double seconds = 60, vanish = 0, vanish_after = 20, join_after = 40, place_seconds = 15;
};

/// One node. Threads: one at a time.
class SimulatedNode {
 public:
  SimulatedNode(std::string name, const Arguments& arguments)
      : client_(std::make_unique<http::Client>()), site_(*client_, arguments.site, {}), place_(milliseconds(static_cast<int>(arguments.place_seconds * 1000))) {
    beat_.name = std::move(name);
    beat_.version = "simulated";
    beat_.labels = {{"zone", "a"}};
    beat_.disk_limit = std::uint64_t{1} << 40;
    beat_.slow_reads = 2;
    beat_.slowest_read_ms = 37;
    beat_.starts = 3;
    beat_.start_ms = 420;
    beat_.longest_start_ms = 1'300;
  }

  /// When it is to be called again.
  Clock::time_point tell(std::atomic<std::size_t>& failed, std::atomic<std::size_t>& orders) {
    const auto now = Clock::now();
    beat_.reports.clear();
    for (const auto& [task, since] : tasks_) beat_.reports.push_back(report(task, now - since));
    const absl::StatusOr<peer::HeartbeatAnswer> answer = site_.beat(beat_);
    if (!answer.ok()) {
      if (++failed <= 3) std::fprintf(stderr, "fleet_sim: %s\n", std::string(answer.status().message()).c_str());
      return Clock::now() + milliseconds(2'000);
    }
    std::map<peer::WarmTask, Clock::time_point> tasks;
    for (const peer::WarmOrder& order : answer->orders) {
      const auto known = tasks_.find(order.task);
      if (known == tasks_.end()) ++orders;
      tasks[order.task] = known == tasks_.end() ? now : known->second;
    }
    tasks_ = std::move(tasks);
    return Clock::now() + answer->beat;
  }

 private:
  peer::WarmReport report(const peer::WarmTask& task, Clock::duration age) const {
    constexpr std::uint64_t kBytes = 100u << 20;
    if (task.look) return {task, peer::WarmReport::State::kVerified, 0, kBytes, ""};
    if (age >= place_) return {task, peer::WarmReport::State::kVerified, kBytes, kBytes, ""};
    return {task, peer::WarmReport::State::kFetching, static_cast<std::uint64_t>(kBytes * (age.count() / static_cast<double>(Clock::duration(place_).count()))), kBytes, ""};
  }

  std::unique_ptr<http::Client> client_;  // a connection of its own
  peer::WarmClient site_;
  const milliseconds place_;
  peer::Heartbeat beat_;
  std::map<peer::WarmTask, Clock::time_point> tasks_;
};

/// The nodes, by when each is due.
class Fleet {
 public:
  explicit Fleet(const Arguments& arguments) : arguments_(arguments), begin_(Clock::now()) {
    for (std::size_t i = 0; i < arguments.nodes; ++i) add(str_cat("node-", i), milliseconds(i * 5'000 / arguments.nodes));
  }

  void run() {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < arguments_.threads; ++i) threads.emplace_back([this] { work(); });
    for (std::jthread& thread : threads) thread.join();
    std::printf("beats %zu failed %zu slowest %lld orders %zu\n", beats_.load(), failed_.load(), static_cast<long long>(slowest_.load()), orders_.load());
  }

 private:
  using Due = std::pair<Clock::time_point, std::size_t>;

  void add(const std::string& name, milliseconds in) {
    nodes_.push_back(std::make_unique<SimulatedNode>(name, arguments_));
    queue_.push({Clock::now() + in, nodes_.size() - 1});
  }
  double age() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  void work() {
    std::unique_lock lock(mutex_);
    while (age() < arguments_.seconds) {
      join_new_ones();
      if (queue_.empty() || queue_.top().first > Clock::now()) {
        lock.unlock();
        std::this_thread::sleep_for(milliseconds(2));
        lock.lock();
        continue;
      }
      const std::size_t number = queue_.top().second;
      queue_.pop();
      const bool vanished = static_cast<double>(number) < arguments_.vanish * static_cast<double>(arguments_.nodes) && age() > arguments_.vanish_after;
      if (vanished) continue;
      SimulatedNode& node = *nodes_[number];
      lock.unlock();
      const auto before = Clock::now();
      const Clock::time_point next = node.tell(failed_, orders_);
      const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - before).count();
      lock.lock();
      slowest_ = std::max<long long>(slowest_, took);
      ++beats_;
      queue_.push({next, number});
    }
  }

  void join_new_ones() {
    if (arguments_.join == 0 || age() < arguments_.join_after) return;
    const auto wanted = static_cast<std::size_t>((age() - arguments_.join_after) * static_cast<double>(arguments_.join));
    for (; joined_ < std::min(wanted, arguments_.join * 5); ++joined_) add(str_cat("late-", joined_), milliseconds(0));
  }

  const Arguments& arguments_;
  const Clock::time_point begin_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<SimulatedNode>> nodes_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> queue_;
  std::size_t joined_ = 0;
  std::atomic<std::size_t> beats_{0}, failed_{0}, orders_{0};
  std::atomic<long long> slowest_{0};
};

}  // namespace
}  // namespace samara

int main(int argc, char** argv) {
  samara::Arguments arguments;
  CLI::App app{"Many nodes that only pretend"};
  app.add_option("--site", arguments.site)->required();
  app.add_option("--nodes", arguments.nodes);
  app.add_option("--threads", arguments.threads);
  app.add_option("--seconds", arguments.seconds);
  app.add_option("--vanish", arguments.vanish);
  app.add_option("--vanish-after", arguments.vanish_after);
  app.add_option("--join", arguments.join);
  app.add_option("--join-after", arguments.join_after);
  app.add_option("--place-seconds", arguments.place_seconds);
  CLI11_PARSE(app, argc, argv);
  samara::Fleet(arguments).run();
  return 0;
}
