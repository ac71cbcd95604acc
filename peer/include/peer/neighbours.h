#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/http/client.h"
#include "peer/neighbour_protocol.h"
#include "peer/site_access.h"

namespace samara::peer {

/// What this node knows of the others of its site that read the same blobs: who they are, which of them brings which
/// region of a blob into the site (neighbour_ranking.h), who of them is better left alone for a while.
///
/// The first question about a blob has the sites asked, and says in doing so that this node reads it too, and so does
/// its being among `blobs`; from then on they are asked again as often as they say, until nobody asked about the blob for
/// `forget`. While no site answers, what is known stays, and so do the tickets for as long as they last.
/// Threads: any; one of its own asks the sites. start() once, stop() before what it borrows goes.
class Neighbours {
 public:
  struct Options {
    std::function<std::vector<Digest>()> blobs;  ///< of the layers here, asked about every second; empty: none
    std::string url;  ///< where this node serves the others; of the address only the port counts: "http://0.0.0.0:7703"
    std::chrono::milliseconds forget{600'000};
    std::chrono::milliseconds retry{5'000};  ///< until sites that didn't answer are asked again
    std::chrono::milliseconds first_rest{1'000}, last_rest{60'000};  ///< of one that failed; doubled each time
    std::chrono::milliseconds liars_rest{3'600'000};
  };
  /// `client` and `clock` are borrowed.
  Neighbours(http::Client& client, std::vector<std::string> sites, SiteAccess access, Clock& clock, Options options);
  ~Neighbours() { stop(); }
  void start();
  void stop();

  /// Who may be asked for bytes of the blob at `offset`, in order. Never blocks.
  struct Plan {
    std::vector<std::string> urls;  ///< nobody: they are this node's to bring, or nothing is known, or all of them rest
    std::string ticket;             ///< to be shown
  };
  Plan whom_to_ask(const Digest& blob, std::uint64_t offset);
  /// All others that don't rest, in the order in which they would have to bring it.
  Plan anybody(const Digest& blob, std::uint64_t offset);
  /// Whether others count on this node to bring that region.
  bool is_ours(const Digest& blob, std::uint64_t offset);
  /// May the node at `address` read the blob here? PermissionDenied.
  absl::Status admit(std::string_view ticket, const Digest& blob, std::string_view address) const;

  void answered(const std::string& url);
  void failed(const std::string& url);
  void lied(const std::string& url);
  /// A GET of something of a neighbour's.
  http::ClientRequest request_for(const std::string& url) const;

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct View {
    std::vector<std::string> urls;
    std::string self, ticket;
    TimePoint due;   // when the sites are asked again
    TimePoint used;  // when somebody wanted to know
  };
  struct Health {
    std::chrono::milliseconds rest{0};
    TimePoint until;
  };

  View& view_of(const Digest& blob);
  void leave_out_resting(std::vector<std::string>& urls) const;
  void run(std::stop_token stop);
  void note_blobs();
  void ask_sites(const Digest& blob, const std::stop_token& stop);
  absl::StatusOr<NeighbourList> ask(const std::string& site, const Digest& blob, const std::stop_token& stop) const;

  http::Client& client_;
  const std::vector<std::string> sites_;
  const SiteAccess access_;
  Clock& clock_;
  const Options options_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<Digest, View> views_;
  std::map<std::string, std::string> keys_;  // public keys by site
  std::map<std::string, Health> health_;     // by URL; of those who failed
  std::jthread thread_;
};

}  // namespace samara::peer
