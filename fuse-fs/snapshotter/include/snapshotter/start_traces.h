#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "cache_index/store.h"
#include "fuse_fs/file_watcher.h"
#include "peer/chunk_reader.h"
#include "peer/start_trace.h"
#include "snapshotter/layer_site.h"
#include "snapshotter/preload_plan.h"

namespace samara::snapshotter {

/// Learns what each image's containers read while they start, and has it fetched when one is about to start: what this
/// node has seen itself, else what its site has heard from other nodes.
///
/// Bytes are fetched ahead when the image's topmost layer comes, or when a container of it is prepared. A start is
/// recorded from the latter until nothing new has been read for `settle`; then it is merged into what is known here, and
/// the site is told. A trace that is wrong costs `most_bytes` twice at most (peer::merge()), and never delays a read:
/// those that somebody waits for go first.
///
/// What has come is given to the kernel too, names and pages, so that the container finds it in memory. What it then
/// reads of a chunk that was given can't be seen, so one start in eight goes without: there it shows what is no longer read.
/// Threads: any; run() has one of its own, which alone asks the site. Tests call step() by hand instead.
class StartTraces final : public peer::ChunkReader, public fuse_fs::FileWatcher {
 public:
  using Duration = std::chrono::milliseconds;
  struct Options {
    Duration settle{5'000};
    Duration longest{60'000};                 ///< a start that goes on reading is cut here
    std::uint64_t most_bytes = 256ull << 20;  ///< compressed, that are fetched for one start
    bool share = true;                        ///< tell the site, and ask it
  };
  /// Everything is borrowed.
  struct Parts {
    cache_index::Store& store;
    LayerSite* site;  ///< may be null
    peer::ChunkReader& reader;  ///< who really reads
    std::function<bool(const Digest&)> has_chunk;  ///< see Cache
    /// Gives the kernel something, or not, without waiting; empty: nobody does. May be called as long as `reader` is there.
    std::function<void(const PreloadPlan::Load&)> load;
    Clock& clock;
  };
  StartTraces(const Parts& parts, const Options& options);
  ~StartTraces() override;
  static std::vector<std::string> tables();

  void run();
  void stop();  ///< recordings under way are kept as far as they are

  /// An image, as far as its layers are lazy.
  struct Image {
    Digest chain;
    std::string image_ref;
    std::vector<PreloadPlan::MountedLayer> layers;  ///< bottom first
  };
  void image_comes(const Image& image);       ///< all its layers are here now; likely a container of it comes next
  void container_starts(const Image& image);  ///< one is being prepared

  /// ChunkReader: reads for the mount, and takes note.
  void read(const peer::LayerIndex& layer, std::uint32_t chunk, peer::FetchClass urgency, Done done) override;
  void prefetch(const peer::LayerIndex& layer, std::uint32_t first, std::uint32_t count,
                peer::FetchClass urgency) override {
    parts_.reader.prefetch(layer, first, count, urgency);
  }
  /// FileWatcher.
  void touched(const peer::LayerIndex& layer, std::uint32_t inode) override;

  struct Known {
    Digest chain;
    peer::StartTrace trace;
  };
  /// Every trace whose image's name or chainID contains `image`.
  absl::StatusOr<std::vector<Known>> find(std::string_view image) const;

  /// How long the last starts took, at most kStartsTimed of them: from a container's preparing until it had read what it
  /// reads to start. `count`: of all since this was made.
  struct Times {
    std::uint64_t count = 0;
    Duration median{0}, longest{0};
  };
  static constexpr std::size_t kStartsTimed = 64;
  Times times() const;

  /// Fetches ahead what has been asked for, ends recordings that have settled; returns when to come again, nullopt:
  /// when an image comes or starts.
  std::optional<Duration> step();

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Chunk = peer::StartTrace::Chunk;
  struct Ahead;
  struct Recording {
    Image image;
    TimePoint began, last_new;
    bool asked_ahead = false;  // what is known of the image has been asked for
    bool starts = false;       // a container of it is; else it only came
    std::set<Chunk> ahead;     // what that was
    std::shared_ptr<Ahead> preload;  // null: nothing is given to the kernel
    std::set<Chunk> seen;
    std::vector<Chunk> order;
    std::set<Chunk> touched;
    std::vector<Chunk> files;  // in order
  };

  void begin(const Image& image, bool starts);
  template <typename Note>
  void note(const Digest& diff_id, const Note& note);
  void ask_ahead(const Image& image);
  peer::StartTrace known(const Image& image);
  struct Wanted {
    std::vector<Chunk> missing, here;  // in order of reading, within the limit
  };
  Wanted wanted(const peer::StartTrace& trace, const Image& image) const;
  absl::StatusOr<peer::StartTrace> load(const Digest& chain) const;
  void take_time(const Recording& recording);
  void keep(const Recording& recording);
  void tell_site(const Recording& recording, const peer::StartTrace& start);
  void loop();

  const Parts parts_;
  LayerSite* const site_;  // null also when nothing is shared
  const Options options_;
  std::stop_source stop_;
  std::atomic<std::size_t> recording_{0};  // how many; so that reads cost nothing when there is none
  mutable std::mutex mutex_;               // guards what follows; never held during I/O
  std::condition_variable changed_;
  std::map<Digest, Recording> recordings_;  // by chainID
  std::deque<Duration> lasted_;             // starts that have settled, the latest last
  std::uint64_t settled_ = 0;
  bool woken_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace samara::snapshotter
