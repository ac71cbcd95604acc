#include "space.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>

#include "base/text.h"

namespace samara::cache_index {
namespace {

namespace fs = std::filesystem;

std::uint64_t blocks_of(const struct stat& st) { return static_cast<std::uint64_t>(st.st_blocks) * 512; }

/// Files that come and go meanwhile are counted or not, as it happens.
std::uint64_t measure(const fs::path& directory) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    struct stat st;
    if (::lstat(it->path().c_str(), &st) == 0 && S_ISREG(st.st_mode)) bytes += blocks_of(st);
  }
  return bytes;
}

std::uint64_t measure_directories_in(const fs::path& parent) {
  std::uint64_t bytes = 0;
  std::error_code error, ignored;
  for (fs::directory_iterator it(parent, error), end; !error && it != end; it.increment(error)) {
    if (it->is_directory(ignored)) bytes += measure(it->path());
  }
  return bytes;
}

}  // namespace

void Space::set_file(const Digest& name, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  std::uint64_t& known = files_[name];
  files_bytes_ += bytes - known;
  known = bytes;
}

void Space::set_file(const Digest& name, int fd) {
  struct stat st;
  if (::fstat(fd, &st) == 0) set_file(name, blocks_of(st));
}

void Space::remove_file(const Digest& name) {
  const std::lock_guard lock(mutex_);
  const auto it = files_.find(name);
  if (it == files_.end()) return;
  files_bytes_ -= it->second;
  files_.erase(it);
}

std::uint64_t Space::file_bytes(const Digest& name) const {
  const std::lock_guard lock(mutex_);
  const auto it = files_.find(name);
  return it == files_.end() ? 0 : it->second;
}

std::uint64_t Space::files() const {
  const std::lock_guard lock(mutex_);
  return files_.size();
}

void Space::measure_rest() { rest_ = measure(str_cat(root_, "/db")) + measure_directories_in(str_cat(root_, "/incoming")); }

std::uint64_t Space::used() const {
  const std::lock_guard lock(mutex_);
  return files_bytes_ + rest_ + static_cast<std::uint64_t>(std::max<std::int64_t>(0, incoming_));
}

std::optional<std::uint64_t> Space::limit() const {
  std::optional<std::uint64_t> limit;
  if (limits_.quota > 0) limit = limits_.quota;
  if (limits_.min_free_bytes == 0 && limits_.min_free_share <= 0) return limit;
  struct statvfs st;
  if (::statvfs(root_.c_str(), &st) != 0) return limit;
  const std::uint64_t available = st.f_bavail * st.f_frsize;
  const auto share = static_cast<std::uint64_t>(limits_.min_free_share * static_cast<double>(st.f_blocks * st.f_frsize));
  const std::uint64_t reserve = std::max(limits_.min_free_bytes, share), reach = used() + available;
  const std::uint64_t by_disk = reach > reserve ? reach - reserve : 0;
  return limit ? std::min(*limit, by_disk) : by_disk;
}

bool Space::fits(std::uint64_t more) const {
  const std::optional<std::uint64_t> limit = this->limit();
  return !limit || used() + more <= *limit;
}

}  // namespace samara::cache_index
