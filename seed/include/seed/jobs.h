#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "seed/estimate.h"
#include "seed/fleet.h"
#include "seed/job.h"

namespace samara::seed {

/// The warm jobs of a site: a state machine without threads and without a clock. What comes from outside (heartbeats,
/// what the registry says, time) is told to it; it says what is to be done.
///
///   resolving ─► looking ─► converting ─► placing     each image
///   running ─► planned | refused | done | failed | cancelled     the job
///
/// Two jobs that want the same image on the same node share the work: a node's task is (manifest, level), and what it
/// reports counts for both. A node that comes within a job's life (until its pin or its deadline ends, an hour at
/// least) gets items of its own, also after the job was done: it runs again then.
/// A node that isn't heard of for `give_up` has failed; if it comes back within the job's life, it goes on. One whose
/// site's link is cut is waited for until the job's life ends, or its deadline.
/// Threads: one; whoever shares it locks.
class Jobs {
 public:
  struct Options {
    Rates rates;
    std::size_t max_jobs = 1'000;                ///< those that ended first are forgotten first
    std::chrono::seconds look_patience{10};      ///< then a node is taken to lack everything
    std::chrono::seconds far_look_patience{30};  ///< ... one of a site below this one
    std::chrono::seconds give_up{60};
    std::chrono::hours least_life{1};
  };
  explicit Jobs(Options options) : options_(options) {}

  /// Errors, before any work: InvalidArgument (no image, a selector or a name that isn't one), NotFound (no such site, or
  /// no node is meant), ResourceExhausted (too many jobs run).
  absl::StatusOr<std::string> create(WarmSpec spec, const Fleet& fleet, Time now);
  /// Takes up a job that was kept. Nodes have `give_up` from now on to be heard of.
  void restore(Job job, Time now);

  /// NotFound; FailedPrecondition when it is over (or, of resume and retry, isn't).
  absl::Status cancel(const std::string& id, Time now);
  /// A cancelled or refused job goes on where it was; a deadline counts anew.
  absl::Status resume(const std::string& id, Time now);
  /// What failed is tried again, images and nodes.
  absl::Status retry(const std::string& id, Time now);

  const Job* find(const std::string& id) const;  ///< nullptr
  const std::map<std::string, Job>& all() const { return jobs_; }

  // What is to be done, and what came of it.
  struct Work {
    std::string job;
    std::size_t image = 0;
    WarmWish wish;
    WarmImageState::Phase phase;  ///< kResolving or kConverting
    std::optional<peer::WarmImage> known;  ///< of kConverting
  };
  std::vector<Work> work() const;
  void resolved(const std::string& job, std::size_t image, absl::StatusOr<peer::WarmImage> found, Time now);
  /// Some of it is still to be converted.
  void converting(const std::string& job, std::size_t image, std::uint64_t done, std::uint64_t total);
  void converted(const std::string& job, std::size_t image, absl::StatusOr<peer::WarmImage> found, Time now);

  /// What a node reports.
  void heard(const std::string& node, const std::vector<peer::WarmReport>& reports, Time now);
  /// What it is to do; at most kMostOrders.
  std::vector<peer::WarmOrder> orders_for(const std::string& node) const;
  /// The image of an order that the node has; nullptr when it has none for it.
  const peer::WarmImage* image_for(const std::string& node, const Digest& manifest) const;

  /// What only time, or who is here, changes.
  void tick(const Fleet& fleet, Time now);

  /// Jobs that changed since the last call; gone ones are listed too. Progress alone doesn't count.
  std::set<std::string> take_changed() { return std::exchange(changed_, {}); }

  Estimate estimate(const Job& job) const { return samara::seed::estimate(job, options_.rates); }
  /// Until when nodes that come are given its items, and its pins hold.
  Time end_of_life(const Job& job) const;

 private:
  using Place = std::pair<std::string, std::size_t>;  // job, image

  static absl::Status check(const WarmSpec& spec, const Fleet& fleet, Time now);
  absl::Status make_room();
  Job* running(const std::string& id, std::size_t image, WarmImageState::Phase phase);
  void choose_nodes(Job& job, const Fleet& fleet, Time now);
  void note_absence(Job& job, const Fleet& fleet, Time now);
  void look(Job& job, const Fleet& fleet, Time now);
  bool is_patient(const WarmImageState& image, Time now) const;
  void begin_to_place(Job& job, std::size_t image, const Fleet& fleet, Time now);
  bool refuse(Job& job, Time now);
  void check_deadlines(Job& job, Time now);
  void check_end(Job& job, Time now);
  void end(Job& job, Job::State state, std::string reason, Time now);
  void reopen(Job& job);
  void enter(Job& job, std::size_t image, WarmImageState::Phase phase, Time now);
  void fail_image(Job& job, std::size_t image, std::string_view why, Time now);
  void set_item(Job& job, std::size_t image, const std::string& node, WarmItem::State state, Time now, std::string_view error = "");
  void take_report(Job& job, std::size_t image, const std::string& node, const peer::WarmReport& report, Time now);

  const Options options_;
  std::map<std::string, Job> jobs_;
  std::map<std::string, std::uint64_t> chosen_from_;  // by job: the version of the fleet
  std::map<std::string, std::set<Place>> open_;  // by node: items that aren't final
  std::set<std::string> changed_;
  std::uint64_t last_id_ = 0;
};

}  // namespace samara::seed
