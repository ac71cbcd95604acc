#include "inflight_reads.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace samara::fuse_fs {

std::uint64_t InflightReads::new_id() {
  const std::lock_guard lock(mutex_);
  return ++last_id_;
}

void InflightReads::add(std::uint64_t id, std::shared_ptr<ReadOperation> read) {
  const std::lock_guard lock(mutex_);
  reads_.emplace(id, std::move(read));
}

void InflightReads::remove(std::uint64_t id) {
  std::shared_ptr<ReadOperation> last_reference;  // dropped after the lock
  const std::lock_guard lock(mutex_);
  const auto at = reads_.find(id);
  if (at == reads_.end()) return;
  last_reference = std::move(at->second);
  reads_.erase(at);
  if (reads_.empty()) empty_.notify_all();
}

std::shared_ptr<ReadOperation> InflightReads::find(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto at = reads_.find(id);
  return at == reads_.end() ? nullptr : at->second;
}

std::size_t InflightReads::size() const {
  const std::lock_guard lock(mutex_);
  return reads_.size();
}

std::size_t InflightReads::older_than(std::chrono::steady_clock::duration age) const {
  const auto limit = std::chrono::steady_clock::now() - age;
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(reads_.begin(), reads_.end(), [&](const auto& read) { return read.second->started() < limit; }));
}

void InflightReads::wait_until_none(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  empty_.wait_for(lock, patience, [&] { return reads_.empty(); });
}

void InflightReads::drain(int error) {
  std::vector<std::shared_ptr<ReadOperation>> all;
  std::unique_lock lock(mutex_);
  for (const auto& [id, read] : reads_) all.push_back(read);
  lock.unlock();
  for (const auto& read : all) read->cancel(error);
  lock.lock();
  empty_.wait(lock, [&] { return reads_.empty(); });
}

}  // namespace samara::fuse_fs
