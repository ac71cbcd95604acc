#include "open_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/status.h"

namespace samara::cache_index {
namespace {

/// Bytes written to a file that has no name any more would be lost with the last close.
bool has_name(int fd) {
  struct stat st;
  return ::fstat(fd, &st) == 0 && st.st_nlink > 0;
}

}  // namespace

absl::StatusOr<OpenFiles::File> OpenFiles::open(const Digest& blob, const std::string& path, int flags) {
  if (File known = find(blob); known != nullptr) {
    if (has_name(known->get())) return known;
    forget(blob);
  }
  SAMARA_ASSIGN_OR_RETURN(Fd fd, open_file(path, flags, 0644));
  File file = std::make_shared<const Fd>(std::move(fd));
  insert(blob, file);
  return file;
}

OpenFiles::File OpenFiles::find(const Digest& blob) {
  const std::lock_guard lock(mutex_);
  const auto it = by_blob_.find(blob);
  if (it == by_blob_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, it->second);
  return it->second->file;
}

void OpenFiles::insert(const Digest& blob, const File& file) {
  File closed_outside_the_lock;
  const std::lock_guard lock(mutex_);
  if (by_blob_.contains(blob)) return;
  entries_.push_front({blob, file});
  by_blob_[blob] = entries_.begin();
  if (entries_.size() <= limit_) return;
  closed_outside_the_lock = std::move(entries_.back().file);
  by_blob_.erase(entries_.back().blob);
  entries_.pop_back();
}

void OpenFiles::forget(const Digest& blob) {
  const std::lock_guard lock(mutex_);
  const auto it = by_blob_.find(blob);
  if (it == by_blob_.end()) return;
  entries_.erase(it->second);
  by_blob_.erase(it);
}

}  // namespace samara::cache_index
