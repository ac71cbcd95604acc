#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "base/digest.h"
#include "base/file.h"

namespace samara::cache_index {

/// The blob files that were used last, open for reading and writing; the least recently used are closed.
/// Threads: any. A file stays open as long as somebody holds it.
class OpenFiles {
 public:
  using File = std::shared_ptr<const Fd>;

  explicit OpenFiles(std::size_t limit) : limit_(limit) {}

  /// The open file of `blob` at `path`; `flags` as for open(2). A file that was unlinked meanwhile is opened anew.
  absl::StatusOr<File> open(const Digest& blob, const std::string& path, int flags);
  /// Before the file at the path is replaced or removed.
  void forget(const Digest& blob);

 private:
  struct Entry {
    Digest blob;
    File file;
  };
  File find(const Digest& blob);
  void insert(const Digest& blob, const File& file);

  const std::size_t limit_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // the last used first
  std::unordered_map<Digest, std::list<Entry>::iterator> by_blob_;
};

}  // namespace samara::cache_index
