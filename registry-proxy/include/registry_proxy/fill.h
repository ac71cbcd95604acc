#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/file.h"
#include "cache_index/cache.h"
#include "registry_proxy/names.h"
#include "registry_proxy/upstream.h"

namespace samara::registry_proxy {

/// A blob and where it can be had.
struct BlobRef {
  Repository repository;
  Digest digest;
  std::optional<std::uint64_t> size;  ///< as a manifest says
  Identity as{};                      ///< on whose behalf upstream is asked for it
};

struct FillOptions {
  int max_resumes = 7;  ///< without a MiB of progress between them
  std::chrono::milliseconds resume_backoff{200};  ///< doubles with each
  std::chrono::milliseconds longest_rest{30'000};  ///< that a registry may ask for (429) in the middle of a blob
  std::chrono::milliseconds abandon_after{60'000};  ///< without any reader
  std::uint64_t max_size = std::uint64_t{1} << 40;  ///< of a blob; larger ones end with ResourceExhausted at once
};

/// One blob on its way from upstream into the cache, followed by any number of readers while it arrives.
///
/// A reader gets bytes as soon as they are written, except the last kWithheld: those come once the digest of the whole
/// is right, so that nobody ever gets a complete wrong blob. A transfer that breaks is resumed where it broke; a reader
/// that leaves changes nothing for the others. What an earlier fill, or process, got of the blob isn't fetched again.
/// Threads: run() and finish() on one of its own, everything else on any.
class Fill {
 public:
  static constexpr std::uint64_t kWithheld = 4096;

  /// `upstream` and `clock` are borrowed.
  static absl::StatusOr<std::shared_ptr<Fill>> create(BlobRef blob, Upstream& upstream,
                                                      std::unique_ptr<cache_index::ObjectWriter> writer,
                                                      const Clock& clock, const FillOptions& options);

  /// Transfers, verifies and commits; returns when that is done or has failed. Readers learn of it by finish(), which
  /// the caller calls once a reader that comes later would find the object, or start anew.
  absl::Status run();
  void finish(const absl::Status& status);
  /// Makes run() end soon, with Cancelled.
  void cancel() { stop_.request_stop(); }

  const BlobRef& blob() const { return blob_; }
  /// Where the bytes are; see wait_readable().
  int fd() const { return file_.get(); }
  std::uint64_t readable() const;

  /// The blob's size as soon as upstream has told it. Errors: why the fill failed; Cancelled (`stop`).
  absl::StatusOr<std::uint64_t> wait_size(std::stop_token stop = {});
  /// Waits up to `patience` until the byte at `offset` can be read; false when it still can't.
  bool gets_to(std::uint64_t offset, std::chrono::milliseconds patience);
  /// Blocks until the byte at `offset` can be read from fd(); returns how far one can read, or `offset` itself when
  /// the blob ends there. Errors: why the fill failed (nothing it got is to be used any more); Cancelled (`stop`).
  absl::StatusOr<std::uint64_t> wait_readable(std::uint64_t offset, std::stop_token stop = {});

 private:
  friend class FillReader;
  Fill(BlobRef blob, Upstream& upstream, std::unique_ptr<cache_index::ObjectWriter> writer, Fd file, const Clock& clock,
       const FillOptions& options);

  absl::Status conclude();
  absl::Status take_all();
  absl::Status transfer();
  absl::Status transfer_rest();
  absl::Status take_head(const http::ResponseHead& head, std::uint64_t offset);
  absl::Status take_body(std::span<const std::uint8_t> data);
  absl::Status set_size(std::uint64_t size);
  bool abandoned() const;
  std::uint64_t readable_locked() const;
  void attach();
  void detach();

  const BlobRef blob_;
  Upstream& upstream_;
  std::unique_ptr<cache_index::ObjectWriter> writer_;  // run()'s
  const Fd file_;
  const Clock& clock_;
  const FillOptions options_;
  std::stop_source stop_;
  const std::uint64_t taken_up_;  // bytes that an earlier fill left
  std::uint64_t skip_ = 0;  // run()'s: bytes to drop, of an upstream that answers a range with the whole

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<std::uint64_t> size_;
  std::uint64_t written_ = 0;
  bool done_ = false;
  absl::Status status_;
  std::size_t readers_ = 0;
  std::chrono::steady_clock::time_point last_reader_left_;
};

/// Holds a fill's interest: while one lives the fill isn't abandoned.
class FillReader {
 public:
  explicit FillReader(std::shared_ptr<Fill> fill) : fill_(std::move(fill)) { fill_->attach(); }
  FillReader(FillReader&&) noexcept = default;
  FillReader& operator=(FillReader&&) = delete;
  ~FillReader() {
    if (fill_ != nullptr) fill_->detach();
  }
  Fill* operator->() const { return fill_.get(); }
  Fill& operator*() const { return *fill_; }

 private:
  std::shared_ptr<Fill> fill_;  // shared with whoever runs it; the last one closes the file
};

}  // namespace samara::registry_proxy
