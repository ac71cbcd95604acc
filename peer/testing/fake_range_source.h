#pragma once

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "peer/range_source.h"

namespace samara::peer {

/// Serves objects from memory, well or badly, and remembers what it was asked.
/// Threads: any.
class FakeRangeSource final : public RangeSource {
 public:
  explicit FakeRangeSource(std::string name = "fake") : name_(std::move(name)) {}

  void serves(const Digest& object, std::string bytes) {
    const std::lock_guard lock(mutex_);
    objects_[object] = std::move(bytes);
  }
  /// Turns a bit in the middle of every answer from now on.
  void corrupts(bool yes = true) {
    const std::lock_guard lock(mutex_);
    corrupts_ = yes;
  }
  /// The next `times` requests fail with `status`, after `bytes` of the answer.
  void fails(int times, absl::Status status = absl::UnavailableError("switched off"), std::size_t bytes = 0) {
    const std::lock_guard lock(mutex_);
    failures_ = times;
    failure_ = std::move(status);
    fails_after_ = bytes;
  }
  /// The next `requests` requests hang after `bytes` of their answer, until release() or their stop token.
  void holds(int requests, std::size_t bytes = 0) {
    const std::lock_guard lock(mutex_);
    holds_ = requests;
    holds_after_ = bytes;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    ++releases_;
    holds_ = 0;
    changed_.notify_all();
  }

  /// The ranges asked for so far.
  std::vector<ByteRange> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  /// Blocks until so many requests have come.
  void wait_for_requests(std::size_t count) const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return requests_.size() >= count; });
  }

  std::string_view name() const override { return name_; }

  absl::Status fetch(const Digest& object, const ByteRange& range, std::stop_token stop,
                     const OnBytes& on_bytes) override {
    std::unique_lock lock(mutex_);
    requests_.push_back(range);
    changed_.notify_all();
    const auto found = objects_.find(object);
    if (found == objects_.end() || range.end > found->second.size()) return absl::NotFoundError(name_ + " hasn't got it");
    std::string answer = found->second.substr(range.begin, range.size());
    if (corrupts_) answer[answer.size() / 2] ^= 1;
    const absl::Status failure = failures_ > 0 ? failure_ : absl::OkStatus();
    const bool holds = holds_ > 0;
    std::size_t pause = holds ? holds_after_ : failure.ok() ? answer.size() : fails_after_;
    pause = std::min(pause, answer.size());
    if (failures_ > 0) --failures_;
    if (holds) --holds_;
    const std::uint64_t releases = releases_;
    lock.unlock();

    if (absl::Status status = give(std::string_view(answer).substr(0, pause), on_bytes); !status.ok()) return status;
    if (holds) {
      lock.lock();
      changed_.wait(lock, stop, [&] { return releases_ != releases; });
      lock.unlock();
    }
    if (stop.stop_requested()) return absl::CancelledError("stopped");
    if (!failure.ok()) return failure;
    return give(std::string_view(answer).substr(pause), on_bytes);
  }

 private:
  /// In pieces, as a network would.
  static absl::Status give(std::string_view bytes, const OnBytes& on_bytes) {
    while (!bytes.empty()) {
      const std::string_view piece = bytes.substr(0, 10'000);
      if (absl::Status status = on_bytes(as_bytes(piece)); !status.ok()) return status;
      bytes.remove_prefix(piece.size());
    }
    return absl::OkStatus();
  }

  const std::string name_;
  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  std::map<Digest, std::string> objects_;
  std::vector<ByteRange> requests_;
  bool corrupts_ = false;
  int failures_ = 0;
  absl::Status failure_;
  std::size_t fails_after_ = 0;
  int holds_ = 0;
  std::size_t holds_after_ = 0;
  std::uint64_t releases_ = 0;
};

}  // namespace samara::peer
