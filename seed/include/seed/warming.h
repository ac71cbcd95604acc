#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/http/server.h"
#include "base/metrics.h"
#include "base/thread_pool.h"
#include "cache_index/store.h"
#include "seed/fleet.h"
#include "seed/jobs.h"

namespace samara::seed {

/// What images are, and their conversion; of a site, its registries and converter.
/// Threads: any, many at once; calls may take as long as a registry does.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  /// What the name means for the platform, its layers converted or not.
  /// Errors: InvalidArgument (not a name), NotFound (no such image, or none for the platform), FailedPrecondition (level
  /// kTrace, and no start is known), those of the registry. Their messages say what to do.
  virtual absl::StatusOr<peer::WarmImage> resolve(const WarmWish& wish) = 0;
  struct Progress {
    peer::WarmImage image;           ///< as it is now
    std::uint64_t done = 0, total = 0;  ///< compressed bytes; equal once all layers are converted
    bool complete = false;
  };
  /// Has converted what isn't, and says at once how far that is. Errors: of a layer that can't be converted.
  virtual absl::StatusOr<Progress> convert(const WarmWish& wish, const peer::WarmImage& image) = 0;
  /// Bytes of the indexes and blobs of the image that the site hasn't got; at most.
  virtual std::uint64_t lacking(const peer::WarmImage& image) = 0;
};

/// A site's nodes and warm jobs, at work: takes heartbeats, has images resolved and converted, keeps jobs on disk.
/// Threads: any; two kinds of its own do the work. start() once, stop() before what it borrows goes.
class Warming {
 public:
  struct Options {
    Fleet::Options fleet;
    Jobs::Options jobs;
    std::chrono::milliseconds tick{500};
    std::chrono::milliseconds busy_beat{1'000}, idle_beat{5'000};  ///< of a node with orders, and of others
    std::size_t threads = 4;                                     ///< that talk to registries
  };
  static std::vector<std::string> tables();
  /// Everything is borrowed; `store` has tables().
  Warming(cache_index::Store& store, ImageSource& images, const Clock& clock, Metrics& metrics, Options options);
  ~Warming();

  /// Takes up the jobs that were kept. Errors: those of the store.
  absl::Status start();
  void stop();

  /// Answers the routes of peer/warm_protocol.h; false when the request is for something else.
  bool handle(const http::Request& request, http::ResponseWriter& out);

  /// What the seed of the site above orders for nodes of this one, besides this one's own jobs. `from`: which seed;
  /// replaces what that one ordered before.
  struct Far {
    std::map<std::string, std::vector<peer::WarmOrder>> orders;  ///< by node
    std::map<Digest, std::shared_ptr<const peer::WarmImage>> images;
  };
  void set_far(const std::string& from, Far far);
  /// The nodes that are here, with what they report of such orders.
  std::vector<peer::SiteBeat::Node> nodes_here() const;

  /// As Jobs.
  absl::StatusOr<std::string> warm(WarmSpec spec);
  enum class Change { kCancel, kResume, kRetry };
  absl::Status change(const std::string& job, Change change);
  /// Calls `look` with everything as it is now. It must not block, nor call back.
  void look(const std::function<void(const Fleet&, const Jobs&, Time now)>& look) const;
  /// Waits until a tick after the one that `seen` says, or `patience` is over, or stop(). False: it stops.
  bool wait_for_tick(std::uint64_t& seen, std::chrono::milliseconds patience) const;

  /// Does what there is to do now, apart from what takes long; tests call it by hand instead of start().
  void step();
  /// Waits until nothing that takes long is under way.
  void wait_idle();

 private:
  void answer_heartbeat(const http::Request& request, http::ResponseWriter& out);
  void answer_image(const http::Request& request, http::ResponseWriter& out);
  void answer_site_beat(const http::Request& request, http::ResponseWriter& out);
  absl::StatusOr<peer::HeartbeatAnswer> take(peer::Heartbeat beat, const http::Request& request);
  absl::StatusOr<peer::SiteBeatAnswer> take(peer::SiteBeat beat, const http::Request& request);
  void heard_locked(const std::string& node, std::vector<peer::WarmReport> reports, Time now);
  std::vector<peer::WarmOrder> orders_locked(const std::string& node) const;
  std::shared_ptr<const peer::WarmImage> far_image_locked(const std::string& node, const Digest& manifest) const;
  std::chrono::milliseconds beat_locked(bool busy) const;
  void do_work(const Jobs::Work& work);
  void save();
  void run(std::stop_token stop);

  cache_index::Store& store_;
  ImageSource& images_;
  const Clock& clock_;
  const Options options_;
  Metrics::Gauge& nodes_here_;
  Metrics::Gauge& jobs_running_;
  Metrics::Counter& beats_;

  mutable std::mutex mutex_;  // guards what follows; never held while a registry is asked or the disk written
  mutable std::condition_variable ticked_;
  Fleet fleet_;
  Jobs jobs_;
  std::map<std::string, Far> far_;                              // by which seed ordered it
  std::map<std::string, std::vector<peer::WarmReport>> reports_;  // of nodes with such orders, the last ones
  const std::uint64_t epoch_;
  std::uint64_t ticks_ = 0;
  bool stopping_ = false;
  using Place = std::pair<std::string, std::size_t>;
  std::set<Place> under_way_;

  std::mutex saving_;  // one save at a time
  std::unique_ptr<ThreadPool> pool_;
  std::jthread thread_;
};

}  // namespace samara::seed
