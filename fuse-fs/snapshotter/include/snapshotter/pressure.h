#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace samara::snapshotter {

/// Does this machine lack memory or wait for its disks, so that work nobody waits for had better pause?
/// Source: Documentation/accounting/psi.rst of Linux. A kernel without it is never under pressure.
/// Threads: any.
class Pressure {
 public:
  struct Limits {
    double memory = 10;  ///< percent of the last 10 s in which some task waited for memory
    double io = 80;      ///< ... in which nobody got on, waiting for disks
  };
  explicit Pressure(const Limits& limits, std::string directory = "/proc/pressure")
      : limits_(limits), directory_(std::move(directory)) {}

  bool is_high() const;

 private:
  double share(std::string_view resource, std::string_view line) const;

  const Limits limits_;
  const std::string directory_;
};

/// The avg10 of the line that begins with `line` ("some" or "full"); nullopt when there is none.
std::optional<double> parse_pressure(std::string_view text, std::string_view line);

}  // namespace samara::snapshotter
