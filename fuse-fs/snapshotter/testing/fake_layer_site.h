#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/file.h"
#include "fake_clock.h"
#include "snapshotter/layer_site.h"
#include "test_layers.h"

namespace samara::snapshotter {

/// A site that knows what it is told. A question that may wait moves the clock by that time unless it is answered at
/// once.
class FakeLayerSite final : public LayerSite {
 public:
  FakeLayerSite(FakeClock& clock, cache_index::Cache& cache) : clock_(clock), cache_(cache) {}

  void has(const TestLayer& layer) {
    const std::lock_guard lock(mutex_);
    layers_[layer.record.layer] = layer;
  }
  /// Says what `answer` says when asked about the layer, whose index is the one it has.
  void answers(const Digest& layer, const peer::LayerStatus& answer) {
    const std::lock_guard lock(mutex_);
    answers_[layer] = {answer};
  }
  /// Says that it is converting the layer: so many bytes done, one answer after the other, then what it has.
  void converts(const TestLayer& layer, std::vector<std::uint64_t> bytes_done, std::uint64_t total) {
    const std::lock_guard lock(mutex_);
    layers_[layer.record.layer] = layer;
    for (const std::uint64_t done : bytes_done) {
      peer::LayerStatus status;
      status.state = peer::LayerStatus::State::kConverting;
      status.bytes_done = done;
      status.bytes_total = total;
      answers_[layer.record.layer].push_back(status);
    }
    then_converted_ = true;
  }
  void goes_away(absl::Status status = absl::UnavailableError("connection refused")) {
    const std::lock_guard lock(mutex_);
    away_ = std::move(status);
  }
  void comes_back() { goes_away(absl::OkStatus()); }
  /// The next `times` questions about this layer stay without answer until their stop tokens fire.
  void is_silent_about(const Digest& layer, int times = 1'000'000) {
    const std::lock_guard lock(mutex_);
    silent_[layer] = times;
  }

  std::vector<Digest> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  std::vector<peer::SiteClient::LayerQuery> queries() const {
    const std::lock_guard lock(mutex_);
    return queries_;
  }
  std::size_t fetches() const {
    const std::lock_guard lock(mutex_);
    return fetches_;
  }
  void wait_until_asked(const Digest& layer) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return std::find(asked_.begin(), asked_.end(), layer) != asked_.end(); });
  }
  void wait_for_fetches(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return fetches_ >= count; });
  }

  absl::StatusOr<peer::LayerStatus> layer_status(const peer::SiteClient::LayerQuery& query,
                                                 std::stop_token stop) override {
    std::unique_lock lock(mutex_);
    asked_.push_back(query.layer);
    queries_.push_back(query);
    changed_.notify_all();
    if (!away_.ok()) return away_;
    if (silent_[query.layer]-- > 0) return wait_for_stop(lock, stop);
    return next_answer(query);
  }

  absl::Status fetch_object(const Digest& object, std::uint64_t, std::stop_token) override {
    TestLayer layer;
    {
      const std::lock_guard lock(mutex_);
      if (!away_.ok()) return away_;
      const auto found = std::find_if(layers_.begin(), layers_.end(),
                                      [&](const auto& entry) { return entry.second.record.index == object; });
      if (found == layers_.end()) return absl::NotFoundError("the site has no such object");
      layer = found->second;
    }
    const absl::Status status = cache_.put_object(object, as_bytes(layer.index));
    const std::lock_guard lock(mutex_);
    ++fetches_;
    changed_.notify_all();
    return status;
  }

  absl::StatusOr<peer::StartTrace> start_trace(const Digest& chain, std::stop_token) override {
    const std::lock_guard lock(mutex_);
    ++traces_asked_;
    if (!away_.ok()) return away_;
    const auto found = traces_.find(chain);
    if (found == traces_.end()) return absl::NotFoundError("the site knows of no start");
    return found->second;
  }
  absl::Status report_start(const peer::StartTrace& start, std::stop_token) override {
    const std::lock_guard lock(mutex_);
    if (!away_.ok()) return away_;
    reports_.push_back(start);
    return absl::OkStatus();
  }
  void knows_start(const Digest& chain, const peer::StartTrace& trace) {
    const std::lock_guard lock(mutex_);
    traces_[chain] = trace;
  }
  std::vector<peer::StartTrace> reports() const {
    const std::lock_guard lock(mutex_);
    return reports_;
  }
  std::size_t traces_asked() const {
    const std::lock_guard lock(mutex_);
    return traces_asked_;
  }

 private:
  absl::StatusOr<peer::LayerStatus> next_answer(const peer::SiteClient::LayerQuery& query) {
    std::deque<peer::LayerStatus>& answers = answers_[query.layer];
    if (!answers.empty()) {
      clock_.advance(query.wait);
      const peer::LayerStatus answer = answers.front();
      if (answers.size() > 1 || then_converted_) answers.pop_front();
      return answer;
    }
    peer::LayerStatus status;
    const auto found = layers_.find(query.layer);
    if (found == layers_.end()) return status;
    status.state = peer::LayerStatus::State::kConverted;
    status.record = found->second.record;
    return status;
  }

  absl::Status wait_for_stop(std::unique_lock<std::mutex>& lock, const std::stop_token& stop) {
    lock.unlock();
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock waiting(mutex);
    stopped.wait(waiting, stop, [] { return false; });
    return absl::CancelledError("stopped");
  }

  FakeClock& clock_;
  cache_index::Cache& cache_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Digest, TestLayer> layers_;
  std::map<Digest, std::deque<peer::LayerStatus>> answers_;
  bool then_converted_ = false;
  std::map<Digest, int> silent_;  // how many questions more
  absl::Status away_;
  std::vector<Digest> asked_;
  std::vector<peer::SiteClient::LayerQuery> queries_;
  std::size_t fetches_ = 0;
  std::map<Digest, peer::StartTrace> traces_;
  std::vector<peer::StartTrace> reports_;
  std::size_t traces_asked_ = 0;
};

}  // namespace samara::snapshotter
