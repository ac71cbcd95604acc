#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log.h"

namespace samara {

/// What tells one version of a file from the next, also when a symbolic link on the way was moved to another.
/// All zero when the file can't be examined.
struct FileStamp {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t modified_ns = 0;
  bool operator==(const FileStamp&) const = default;
};
FileStamp stamp_of(const std::string& path);

/// A value made from files, made anew once one of them has changed: certificates, secrets, lists of tokens.
///
/// Files that can't be used leave the last good value in place, with one warning for each version of them; so does one
/// of a pair that is replaced before the other. The price of get() is a stat(2) a file.
/// Threads: any. `make` runs outside the lock, on one thread at a time; the others get the value before.
template <typename T>
class Reloaded {
 public:
  using Value = std::shared_ptr<const T>;
  using Make = std::function<absl::StatusOr<Value>()>;

  /// `what` names the value in the log. Errors: those of `make`.
  static absl::StatusOr<std::unique_ptr<Reloaded>> create(std::string what, std::vector<std::string> files, Make make) {
    std::vector<FileStamp> stamps = stamps_of(files);
    absl::StatusOr<Value> value = make();
    if (!value.ok()) return value.status();
    return std::unique_ptr<Reloaded>(
        new Reloaded(std::move(what), std::move(files), std::move(make), std::move(stamps), *std::move(value)));
  }

  Value get() {
    std::vector<FileStamp> now = stamps_of(files_);
    {
      const std::lock_guard lock(mutex_);
      if (loading_ || now == tried_) return value_;
      loading_ = true;
      tried_ = std::move(now);
    }
    absl::StatusOr<Value> value = make_();
    if (value.ok()) {
      log::info("a changed file is used from now on", {{"what", what_}});
    } else {
      log::warning("a changed file can't be used; what it held before stays", {{"what", what_}, {"error", value.status()}});
    }
    const std::lock_guard lock(mutex_);
    loading_ = false;
    if (value.ok()) value_ = *std::move(value);
    return value_;
  }

 private:
  Reloaded(std::string what, std::vector<std::string> files, Make make, std::vector<FileStamp> stamps, Value value)
      : what_(std::move(what)),
        files_(std::move(files)),
        make_(std::move(make)),
        tried_(std::move(stamps)),
        value_(std::move(value)) {}

  static std::vector<FileStamp> stamps_of(const std::vector<std::string>& files) {
    std::vector<FileStamp> stamps;
    for (const std::string& file : files) stamps.push_back(stamp_of(file));
    return stamps;
  }

  const std::string what_;
  const std::vector<std::string> files_;
  const Make make_;
  std::mutex mutex_;
  bool loading_ = false;
  std::vector<FileStamp> tried_;  // the versions that `make` saw last
  Value value_;
};

}  // namespace samara
