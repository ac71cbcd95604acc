#pragma once

#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "seed.pb.h"

namespace samara::cli {

/// A job while it runs, on a stream: on a terminal, lines that are rewritten, one an image and one a site below it;
/// elsewhere a plain line whenever something ended, or every ten seconds.
class JobView {
 public:
  explicit JobView(std::FILE* out);
  void show(const seed::v1::Job& job, std::chrono::steady_clock::time_point now);
  /// The lines that stand are final.
  void end();

 private:
  struct Rate {
    std::uint64_t bytes = 0;
    std::chrono::steady_clock::time_point at;
    double per_second = 0;
  };
  std::vector<std::string> lines(const seed::v1::Job& job, std::chrono::steady_clock::time_point now);
  std::string progress(const std::string& key, const seed::v1::Counts& counts, std::chrono::steady_clock::time_point now);

  std::FILE* const out_;
  const bool terminal_, colour_;
  std::map<std::string, Rate> rates_;
  std::size_t drawn_ = 0;
  std::string last_line_;
  std::chrono::steady_clock::time_point last_plain_;
};

/// What a plan says: what is missing where, bytes by link, the least time.
std::string plan_text(const seed::v1::Job& job);
/// A job that is over: who lacks what, and why. At most 20 nodes of an image by name.
std::string verdict_text(const seed::v1::Job& job, bool colour);

}  // namespace samara::cli
