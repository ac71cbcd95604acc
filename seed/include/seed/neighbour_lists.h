#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/http/server.h"
#include "cache_index/cache.h"
#include "cache_index/signature.h"
#include "peer/neighbour_protocol.h"
#include "seed/blob_readers.h"

namespace samara::seed {

/// Which nodes read which blob just now: tells those who ask of each other, and gives them leave to read from each other.
///
/// After a restart of the site the lists fill again by themselves (blob_readers.h), and the leave holds. A node is named only at the address that it asked from.
/// Threads: any.
class NeighbourLists {
 public:
  struct Options {
    BlobReaders::Options readers{};
    std::chrono::hours ticket_lifetime{24};
    /// Does this site know a blob that isn't in its cache whole? Null: it doesn't.
    std::function<bool(const Digest& blob)> knows = nullptr;
    /// May whoever asks have the blob? Who may not is told that the site doesn't know it. Null: everybody may.
    std::function<bool(const http::Request& request, const Digest& blob)> may_have = nullptr;
  };
  /// The first two are borrowed.
  NeighbourLists(const cache_index::Cache& cache, const Clock& clock, cache_index::SigningKey key, const Options& options)
      : cache_(cache), clock_(clock), key_(std::move(key)), options_(options), readers_(options.readers) {}

  /// Answers kNeighboursPath; false when the request is for something else.
  bool handle(const http::Request& request, http::ResponseWriter& out);

  /// What the node at `address` (numeric) gets that wants the blob and serves others at `url`.
  /// Errors: NotFound (a blob that this site doesn't know), InvalidArgument (url).
  absl::StatusOr<peer::NeighbourList> list(const Digest& blob, std::string_view url, std::string_view address);

 private:
  const cache_index::Cache& cache_;
  const Clock& clock_;
  const cache_index::SigningKey key_;
  const Options options_;
  std::mutex mutex_;
  BlobReaders readers_;
};

}  // namespace samara::seed
