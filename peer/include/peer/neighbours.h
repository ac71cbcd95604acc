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
#include "cache_index/store.h"
#include "peer/neighbour_protocol.h"
#include "peer/neighbour_views.h"
#include "peer/site_access.h"

namespace samara::peer {

class NeighbourMemory;

/// What this node knows of the others of its site that read the same blobs: who they are, which of them brings which
/// region of a blob into the site (neighbour_ranking.h), who of them is better left alone for a while.
///
/// The first question about a blob has the sites asked, and says in doing so that this node reads it too, and so does
/// its being among `blobs`; from then on they are asked again as often as they say, until nobody asked about the blob for
/// `forget`. While no site answers, what is known stays, and so do the tickets for as long as they last; with a `store`
/// over a restart too, for a day.
/// Threads: any; one of its own asks the sites. start() once, stop() before what it borrows goes.
class Neighbours {
 public:
  struct Options {
    std::function<std::vector<Digest>()> blobs;  ///< of the layers here, asked about every second; empty: none
    std::string url;  ///< where this node serves the others; of the address only the port counts: "http://0.0.0.0:7703"
    std::chrono::milliseconds forget{600'000};
    std::chrono::milliseconds retry{5'000};  ///< until sites that didn't answer are asked again
    std::chrono::milliseconds first_answer{250};
    NeighbourViews::Rests rests{};
    cache_index::Store* store = nullptr;  ///< borrowed, with tables(); null: nothing is kept over a restart
  };
  static std::vector<std::string> tables();
  /// `client` and `clock` are borrowed.
  Neighbours(http::Client& client, std::vector<std::string> sites, SiteAccess access, Clock& clock, Options options);
  ~Neighbours();
  void start();
  void stop();

  /// Those of NeighbourViews. whom_to_ask() waits for the sites' first answer about the blob, at most `first_answer`: of
  /// many that start at once each would otherwise read from the site what one of them should bring. The others don't
  /// block.
  using Plan = NeighbourViews::Plan;
  Plan whom_to_ask(const Digest& blob, std::uint64_t offset);
  Plan anybody(const Digest& blob, std::uint64_t offset);
  bool is_ours(const Digest& blob, std::uint64_t offset);
  /// May the node at `address` read the blob here? PermissionDenied.
  absl::Status admit(std::string_view ticket, const Digest& blob, std::string_view address) const;

  void answered(const std::string& url);
  void failed(const std::string& url);
  void lied(const std::string& url);
  /// A GET of something of a neighbour's.
  http::ClientRequest request_for(const std::string& url) const;

 private:
  void run(std::stop_token stop);
  void note(const Digest& blob);
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
  std::condition_variable settled_;  // a site answered, or couldn't
  NeighbourViews views_;
  std::map<std::string, std::string> keys_;  // public keys by site
  bool running_ = false;
  std::unique_ptr<NeighbourMemory> memory_;  // the thread's, once that runs; null without a store
  std::jthread thread_;
};

}  // namespace samara::peer
