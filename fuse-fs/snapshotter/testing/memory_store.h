#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "cache_index/store.h"

namespace samara::snapshotter {

/// A store that forgets everything when it goes, and fails when told to.
class MemoryStore final : public cache_index::Store {
 public:
  /// What every write() answers from now on, changing nothing unless it is OK.
  void answer_writes_with(absl::Status status) {
    const std::lock_guard lock(mutex_);
    write_status_ = std::move(status);
  }
  /// Changes of each write so far.
  std::vector<std::size_t> batch_sizes() const {
    const std::lock_guard lock(mutex_);
    return batches_;
  }

  absl::StatusOr<std::string> get(std::string_view table, std::string_view key) const override {
    const std::lock_guard lock(mutex_);
    const auto found = rows_.find({std::string(table), std::string(key)});
    if (found == rows_.end()) return absl::NotFoundError("no such row");
    return found->second;
  }

  absl::StatusOr<std::vector<std::optional<std::string>>> multi_get(
      std::string_view table, const std::vector<std::string>& keys) const override {
    std::vector<std::optional<std::string>> rows;
    for (const std::string& key : keys) {
      const absl::StatusOr<std::string> row = get(table, key);
      rows.push_back(row.ok() ? std::optional(*row) : std::nullopt);
    }
    return rows;
  }

  absl::Status write(const std::vector<Change>& changes, Sync) override {
    const std::lock_guard lock(mutex_);
    if (!write_status_.ok()) return write_status_;
    batches_.push_back(changes.size());
    for (const Change& change : changes) {
      if (change.value) {
        rows_[{change.table, change.key}] = *change.value;
      } else {
        rows_.erase({change.table, change.key});
      }
    }
    return absl::OkStatus();
  }

  absl::Status scan(std::string_view table, std::string_view prefix,
                    const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    std::map<std::pair<std::string, std::string>, std::string> rows;
    {
      const std::lock_guard lock(mutex_);
      rows = rows_;
    }
    for (const auto& [key, value] : rows) {
      if (key.first != table || !key.second.starts_with(prefix)) continue;
      if (!visit(key.second, value)) break;
    }
    return absl::OkStatus();
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::string> rows_;
  std::vector<std::size_t> batches_;
  absl::Status write_status_;
};

}  // namespace samara::snapshotter
