#include "progress_line.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

namespace samara::cli {

ProgressLine::ProgressLine(std::string label, const convert::Progress& progress, std::uint64_t total)
    : label_(std::move(label)), progress_(progress), total_(total) {
  if (::isatty(STDERR_FILENO) != 0) thread_ = std::thread([this] { work(); });
}

ProgressLine::~ProgressLine() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_one();
  thread_.join();
  std::fputs("\r\033[K", stderr);
}

void ProgressLine::work() {
  const auto begin = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, std::chrono::milliseconds(200), [this] { return stopping_; })) {
    draw(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
}

void ProgressLine::draw(double seconds) const {
  const std::uint64_t done = progress_.compressed_bytes, tar = progress_.tar_bytes;
  const double percent = total_ == 0 ? 100 : std::min(100.0, 100.0 * static_cast<double>(done) / static_cast<double>(total_));
  std::fprintf(stderr, "\r\033[K%s  %3.0f %%  %s of tar  %.0f MB/s", label_.c_str(), percent, human_size(tar).c_str(),
               static_cast<double>(tar) / 1e6 / seconds);
  std::fflush(stderr);
}

std::string human_size(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 999.5 && unit < 4; ++unit) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, unit > 0 && value < 9.95 ? "%.1f %s" : "%.0f %s", value, kUnits[unit]);
  return text;
}

}  // namespace samara::cli
