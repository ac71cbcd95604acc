#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "peer/site_client.h"
#include "registry_proxy/fill.h"

namespace samara::registry_proxy {

/// Other samara-sites of the same site that are to have every layer that this one has, so that nodes which lose this one
/// wait for nothing: each is asked for the layer as a node would ask, and converts it (or has it from its parent).
///
/// One that doesn't answer is asked again, after a second at first and a minute at last; what it is to be asked for is in
/// memory, at most kMostWaiting layers each, the latest.
/// Threads: any; one of its own a standby. The destructor stops.
class Standbys {
 public:
  static constexpr std::size_t kMostWaiting = 16'384;
  struct Options {
    std::vector<std::string> urls;
    std::chrono::milliseconds first_retry{1'000}, longest_retry{60'000};
  };
  /// `client` is borrowed.
  Standbys(http::Client& client, const Options& options, const peer::SiteAccess& access);
  ~Standbys() { stop(); }

  /// The layer is here now. Returns at once.
  void tell(const BlobRef& layer);
  void stop();

 private:
  struct Standby {
    std::unique_ptr<peer::SiteClient> client;
    std::deque<peer::SiteClient::LayerQuery> waiting;  // guarded by mutex_
    std::jthread thread;
  };
  void run(Standby& standby, const std::stop_token& stop);

  const Options options_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<std::unique_ptr<Standby>> standbys_;
};

}  // namespace samara::registry_proxy
