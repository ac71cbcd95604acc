#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"

namespace samara::peer {

/// What a node knows of the others of its site, blob by blob, and whom it asks because of that: those who bring a region
/// (neighbour_ranking.h), less those who are better left alone for a while.
/// Threads: none, and no clock: time is an argument. Neighbours guards it.
class NeighbourViews {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::milliseconds;
  struct Rests {
    Duration first{1'000}, last{60'000};  ///< of one that failed; doubled each time
    Duration liars{3'600'000};
  };
  explicit NeighbourViews(const Rests& rests) : rests_(rests) {}

  struct Plan {
    std::vector<std::string> urls;  ///< nobody: they are this node's to bring, or nothing is known, or all of them rest
    std::string ticket;             ///< to be shown
  };
  /// Who may be asked for bytes of the blob at `offset`, in order.
  Plan whom_to_ask(const Digest& blob, std::uint64_t offset, TimePoint now);
  /// All others that don't rest, in the order in which they would have to bring it.
  Plan anybody(const Digest& blob, std::uint64_t offset, TimePoint now);
  /// Whether others count on this node to bring that region: by what the sites said last, or said before that, which is
  /// what others may still go by.
  bool is_ours(const Digest& blob, std::uint64_t offset, TimePoint now);

  /// Whether a site has answered about the blob yet, or could not: until then there is nobody to ask, though others may
  /// well be there.
  bool is_settled(const Digest& blob) const;

  /// The blob matters: the sites are to be asked about it, at once when it is new. So does each question above. True
  /// when it is new.
  bool note(const Digest& blob, TimePoint now);
  /// Forgets what didn't matter for `forget`; the blob that the sites are to be asked about first, due or not.
  struct Due {
    Digest blob;
    TimePoint at;
  };
  std::optional<Due> next(TimePoint now, Duration forget);

  /// What a site says of a blob's readers.
  struct Told {
    std::vector<std::string> urls;
    std::string self, ticket;
    Duration ask_again;
  };
  /// Nothing when the blob has been forgotten meanwhile.
  void told(const Digest& blob, Told told, TimePoint now);
  /// Told before this process began: good until a site says more, and the sites are to be asked at once.
  void remembered(const Digest& blob, Told told, TimePoint now);
  /// No site answered: what is known stays, and they are asked again after `retry`.
  void not_told(const Digest& blob, Duration retry, TimePoint now);

  void answered(const std::string& url) { health_.erase(url); }
  void failed(const std::string& url, TimePoint now);
  void lied(const std::string& url, TimePoint now);

 private:
  struct View {
    std::vector<std::string> urls, before;  // as told last, and as told before
    std::string self, ticket;
    TimePoint due;   // when the sites are asked again
    TimePoint used;  // when somebody wanted to know
    bool settled = false;
  };
  struct Health {
    Duration rest{0};
    TimePoint until;
  };

  View& view_of(const Digest& blob, TimePoint now);
  void leave_out_resting(std::vector<std::string>& urls, TimePoint now) const;

  const Rests rests_;
  std::map<Digest, View> views_;
  std::map<std::string, Health> health_;  // by URL; of those who failed
};

}  // namespace samara::peer
