#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/thread_pool.h"
#include "peer/site_beat.h"
#include "seed/warming.h"

namespace samara::seed {

/// A site's part in the warm jobs of the site above it: tells that one's seed of its nodes, and has done here what that
/// one orders for them.
///
///   parent's seed ── orders by node ──► Relay: fetches what the image is, has it converted (from the parent: its index
///                 ◄── reports by node ──      comes, its blob follows) ──► Warming ──► heartbeats of nodes
///
/// An order is passed on to a node once the image can be had here. A node's failure while this site hasn't got all of the
/// image is the link's, and no end: the node is ordered again after `pause`. Orders stay while the parent doesn't answer;
/// they aren't kept on disk, since the parent says them again.
/// Threads: any; start() makes one of its own, and two that prepare images. Tests call step() by hand instead.
class Relay {
 public:
  using Duration = std::chrono::milliseconds;
  struct Parts {
    Warming& warming;
    ImageSource& images;
    const Clock& clock;
    std::string from;  ///< which parent: a word for Warming, its URL
    /// As peer::WarmClient's beat() and image(); the node is named as the parent knows it.
    std::function<absl::StatusOr<peer::SiteBeatAnswer>(const peer::SiteBeat&)> tell;
    std::function<absl::StatusOr<peer::WarmImage>(const std::string& node, const Digest& manifest)> fetch;
    /// Fills in what the site says of itself and of the link.
    std::function<void(peer::SiteBeat&)> describe;
  };
  struct Options {
    Duration first_retry{2'000}, longest_retry{30'000};
    Duration pause{10'000};        ///< of a node whose order failed before all of the image was here
    Duration look_again{2'000};    ///< at an image that isn't all here
    int tries = 5;                 ///< to convert an image, before it is told to have failed
    std::size_t page_bytes = 40u << 10;
    std::uint32_t seed = std::random_device{}();  ///< of the jitter
  };
  /// Everything in `parts` is borrowed.
  Relay(Parts parts, const Options& options);
  ~Relay() { stop(); }

  void start();
  /// What the parent ordered isn't ordered any more.
  void stop();
  /// Tells and passes on; returns how long until the next time.
  Duration step();
  /// Waits until no image is being prepared.
  void wait_idle();

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Image {
    std::string node;  // as the parent knows it: one that has an order for it
    bool wanted = false;    // an order is more than a look
    bool under_way = false;
    std::shared_ptr<const peer::WarmImage> image;  // null: not fetched yet
    bool resolved = false;  // this site's own registries have it too
    bool complete = false;  // every layer is converted here: nodes can have it
    std::uint64_t lacks = 0, total = 0;
    int failures = 0;
    std::string error;
    Time next;
  };
  using ImagePtr = std::shared_ptr<Image>;

  void run();
  std::vector<peer::SiteBeat> pages();
  void filter_reports(peer::SiteBeat::Node& node);
  peer::SiteBeat about_us() const;
  absl::Status tell_all();
  void take_orders(const std::map<std::string, std::vector<peer::WarmOrder>>& orders);
  void prepare_images();
  void prepare(const Digest& manifest, const ImagePtr& image);
  absl::Status work_on(const Digest& manifest, Image& work);
  void pass_on();

  const Parts parts_;
  const Options options_;
  std::minstd_rand random_;  // of the thread that calls step(), as the next three
  std::uint64_t epoch_ = 0;
  std::map<std::string, std::string> told_;  // by node: as it was told last
  int failures_ = 0;
  Duration beat_{0};

  mutable std::mutex mutex_;  // guards what follows; never held while somebody is asked
  std::condition_variable changed_;
  std::map<std::string, std::vector<peer::WarmOrder>> orders_;
  std::map<Digest, ImagePtr> images_;
  std::map<std::pair<std::string, peer::WarmTask>, Time> paused_;
  std::size_t under_way_ = 0;
  bool stopping_ = false;
  std::unique_ptr<ThreadPool> pool_;
  std::thread thread_;
};

}  // namespace samara::seed
