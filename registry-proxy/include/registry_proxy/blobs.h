#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "base/byte_stream.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "cache_index/cache.h"
#include "registry_proxy/fill.h"
#include "registry_proxy/references.h"
#include "registry_proxy/upstream.h"

namespace samara::registry_proxy {

/// Every blob that can be had: from the cache, or from upstream through one fill a digest, whoever asks.
/// Threads: any. The destructor stops.
class Blobs {
 public:
  struct Options {
    FillOptions fill;
    std::size_t max_fills = 256;  ///< at once
  };
  /// Everything is borrowed.
  Blobs(cache_index::Cache& cache, Upstreams& upstreams, References& references, const Clock& clock, Metrics& metrics,
        const Options& options);
  ~Blobs();

  using Opened = std::variant<cache_index::ObjectFile, FillReader>;
  /// The blob if it is here or on its way; nullopt otherwise. Starts nothing.
  std::optional<Opened> find(const Digest& digest);
  /// The blob, its fill started if need be. Errors: NotFound (no such upstream), ResourceExhausted (too many fills,
  /// disk full), Cancelled (stopping), those of the cache.
  absl::StatusOr<Opened> open(const BlobRef& blob);

  /// The blob's bytes in order, cached or as they arrive; read() returns Cancelled once `stop` is requested.
  absl::StatusOr<std::unique_ptr<ByteStream>> stream(const BlobRef& blob, std::stop_token stop);
  /// The whole of a small blob; ResourceExhausted when it is larger than `limit` bytes.
  absl::StatusOr<std::string> read(const BlobRef& blob, std::uint64_t limit, std::stop_token stop);

  /// OK when the blob can be reached through its repository. What isn't known upstream is asked, and then remembered.
  /// Whoever gives bytes to a client calls this first, unless a fill for the same repository brings them.
  /// Errors: those of Upstream::fetch().
  absl::Status check_reachable(const BlobRef& blob);
  /// What upstream says of the blob's size, without fetching it.
  absl::StatusOr<std::uint64_t> ask_size(const BlobRef& blob);
  /// Streams exactly `range` of the blob straight from upstream, with more requests where one breaks off; nothing is
  /// kept. `total` is checked.
  /// Errors: DataLoss (answered something else), those of Upstream::fetch() and `on_body`.
  absl::Status fetch_range(const BlobRef& blob, const ByteRange& range, std::uint64_t total,
                           const http::Client::OnBody& on_body);

  cache_index::Cache& cache() { return cache_; }
  /// Ends every fill and lets no new one start.
  void stop();

 private:
  struct Running {
    std::shared_ptr<Fill> fill;
    std::thread thread;
  };
  Opened join(const Running& running);
  FillOptions fill_options() const;
  absl::Status fetch_part(const BlobRef& blob, ByteRange& rest, std::uint64_t total, const http::Client::OnBody& on_body);
  bool wait_unless_stopping(std::chrono::milliseconds pause);
  void run_fill(const std::shared_ptr<Fill>& fill);
  void note_given(const BlobRef& blob);
  std::vector<std::thread> take_finished();

  cache_index::Cache& cache_;
  Upstreams& upstreams_;
  References& references_;
  const Clock& clock_;
  const Options options_;
  Metrics::Gauge& active_;
  Metrics::Counter& joined_;

  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::map<Digest, Running> fills_;
  std::vector<std::thread> finished_;
};

}  // namespace samara::registry_proxy
