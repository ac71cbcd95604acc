#include "slow_reads.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "base/file.h"
#include "base/text.h"

namespace samara::fuse_fs {
namespace {

constexpr std::size_t kMostText = 16u << 10;

}  // namespace

// Lines of "<number>:<controllers>:<path>"; v2's is number 0 without controllers. Some machines have both.
std::string parse_cgroup(std::string_view text) {
  std::string first;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t name = line.find(':');
    const std::size_t path = name == std::string_view::npos ? name : line.find(':', name + 1);
    if (path == std::string_view::npos) continue;
    const std::string found(line.substr(path + 1));
    if (found == "/") continue;
    if (line.starts_with("0::")) return found;
    if (first.empty()) first = found;
  }
  return first;
}

std::string cgroup_of(std::int32_t pid) {
  const auto file = open_file(str_cat("/proc/", pid, "/cgroup"), O_RDONLY);
  if (!file.ok()) return "";
  std::string text(kMostText, '\0');
  const ssize_t size = ::read(file->get(), text.data(), text.size());
  return size <= 0 ? "" : parse_cgroup(std::string_view(text).substr(0, static_cast<std::size_t>(size)));
}

void SlowReads::add(SlowRead read) {
  if (read.pid > 0) read.cgroup = cgroup_of(read.pid);
  const std::lock_guard lock(mutex_);
  if (reads_.size() < kMost) {
    reads_.push_back(std::move(read));
  } else {
    reads_[next_] = std::move(read);
  }
  next_ = (next_ + 1) % kMost;
}

std::vector<SlowRead> SlowReads::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<SlowRead> reads = reads_;
  if (reads.size() == kMost) std::rotate(reads.begin(), reads.begin() + static_cast<std::ptrdiff_t>(next_), reads.end());
  return reads;
}

}  // namespace samara::fuse_fs
