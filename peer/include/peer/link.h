#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "cache_index/store.h"
#include "peer/chunk_reader.h"

namespace samara::peer {

/// What crosses a link between sites, by why. The first four are reads of a FetchClass.
enum class Traffic { kBlocking, kTrace, kReadahead, kBackground, kIndex, kRegistry };
inline constexpr std::size_t kTrafficKinds = 6;
std::string_view to_string(Traffic traffic);
constexpr Traffic traffic_of(FetchClass urgency) { return static_cast<Traffic>(urgency); }

/// The link to another site: what it may carry, and what it has carried, written down.
///
/// `bytes_per_second` and `bytes_per_day` bound kBackground: it waits for its turn, stands still for a moment while
/// something more urgent is under way, and isn't begun when the day's budget doesn't reach. Everything else is never held
/// up, but counts: what reads take of either budget isn't there for the background. When the day's budget is used up,
/// OverBudget says what becomes of the rest. A day is one of UTC. The first refusal of a day is a warning in the log.
/// Rows: table "links", key "<name> <YYYY-MM-DD>", lines of "<traffic> <bytes>"; kill -9 loses at most what came within
/// the last second, or 256 KiB.
/// Threads: any.
class Link {
 public:
  enum class OverBudget {
    kReads,    ///< everything goes on but the background
    kNothing,  ///< nothing does: as if the other site were away
  };
  struct Options {
    std::string name = "parent";        ///< in rows, metrics and the ledger; no space
    std::uint64_t bytes_per_second = 0;  ///< 0: no limit, as the next
    std::uint64_t bytes_per_day = 0;
    OverBudget over_budget = OverBudget::kReads;
  };
  struct Day {
    std::string date;  ///< "2026-11-23"
    std::array<std::uint64_t, kTrafficKinds> bytes{};
    std::uint64_t total() const;
  };

  static std::vector<std::string> tables();
  /// Everything but the options is borrowed; `store` has tables(). Takes up the ledger where it was left.
  Link(cache_index::Store& store, const Clock& clock, Metrics& metrics, Options options);
  ~Link();  ///< writes down

  const Options& options() const { return options_; }

  /// One transfer. What comes is counted as it comes.
  class Transfer {
   public:
    Transfer(Link& link, Traffic traffic, std::uint64_t bytes) : link_(link), traffic_(traffic), reserved_(bytes) {}
    Transfer(const Transfer&) = delete;
    ~Transfer();
    /// So many bytes came.
    void came(std::uint64_t bytes);
    /// Waits, if this is background, until the next are due. Cancelled (`stop`).
    absl::Status wait(const std::stop_token& stop);

   private:
    Link& link_;
    const Traffic traffic_;
    std::uint64_t reserved_;
    std::chrono::nanoseconds pause_{0};  // that what came last costs
  };
  /// OK when a transfer of about so many bytes may begin: the caller then makes a Transfer of just these.
  /// Errors: ResourceExhausted (the day's budget).
  absl::Status begin(Traffic traffic, std::uint64_t bytes);

  /// The other site has answered, or couldn't be asked: shown in the ledger.
  void note(const absl::Status& outcome);
  /// It couldn't be asked just now: who has something else to do needn't try for a moment, longer after each failure.
  bool is_resting() const;

  struct Ledger {
    Options options;
    std::vector<Day> days;  ///< those that are kept, the latest first; the first is today
    std::uint64_t refused = 0;  ///< transfers that the budget didn't let begin, since the start
    bool spent = false;         ///< was that so today?
    bool up = true;             ///< did it answer when it was asked last?
    std::chrono::system_clock::time_point since;  ///< when that changed
    std::string error;                            ///< why it didn't
  };
  Ledger ledger(std::size_t days) const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  void roll_over();
  std::uint64_t left() const;
  std::chrono::nanoseconds pace(std::uint64_t bytes);
  void count(Traffic traffic, std::uint64_t bytes);
  void save(bool always);
  std::string key_of(std::int64_t day) const;

  cache_index::Store& store_;
  const Clock& clock_;
  const Options options_;
  std::array<Metrics::Counter*, kTrafficKinds> bytes_{};
  Metrics::Counter& refused_count_;
  Metrics::Gauge& up_gauge_;

  mutable std::mutex mutex_;
  std::condition_variable_any calm_;  // nothing urgent is under way
  std::int64_t today_ = 0;            // days since the epoch
  std::array<std::uint64_t, kTrafficKinds> day_{};
  std::uint64_t reserved_ = 0;  // of the background, begun and not come yet
  std::uint64_t refused_ = 0;
  bool spent_ = false;          // something was refused today
  std::size_t urgent_ = 0;      // transfers under way that the background yields to
  Time due_;                    // when the bytes so far are paid for
  std::uint64_t unsaved_ = 0;
  Time saved_;
  bool up_ = true;
  unsigned failures_ = 0;  // one after the other
  Time rests_until_;
  std::chrono::system_clock::time_point since_;
  std::string error_;

  std::mutex saving_;  // one writer at a time, so that no older figures come last
};

}  // namespace samara::peer
