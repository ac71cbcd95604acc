#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "convert/converter.h"

namespace samara::cli {

/// Shows how far a conversion is, on stderr, while the object lives: a line that is rewritten a few times a second.
/// Shows nothing where stderr is no terminal.
/// Threads: starts one of its own.
class ProgressLine {
 public:
  /// `total`: compressed bytes of the layer. Borrows `progress`.
  ProgressLine(std::string label, const convert::Progress& progress, std::uint64_t total);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;

 private:
  void work();
  void draw(double seconds) const;

  const std::string label_;
  const convert::Progress& progress_;
  const std::uint64_t total_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

/// "1.2 GB", "345 MB", "12 kB", "7 B".
std::string human_size(std::uint64_t bytes);

}  // namespace samara::cli
