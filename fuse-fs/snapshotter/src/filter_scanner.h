#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace samara::snapshotter {

/// Reads the words of one filter from left to right; filter.h has the grammar. Every error is InvalidArgument and
/// names the filter and the place.
/// Threads: one.
class FilterScanner {
 public:
  explicit FilterScanner(std::string_view text) : text_(text), rest_(text) {}

  bool at_end();
  /// Skips `what` if it comes next.
  bool take(std::string_view what);
  /// "labels", "some.key" -> {"labels", "some.key"}.
  absl::StatusOr<std::vector<std::string>> field();
  /// `delimited`: the value may stand between / / or | | as well.
  absl::StatusOr<std::string> value(bool delimited);

  absl::Status error(std::string_view what) const;

 private:
  void skip_space();
  absl::StatusOr<std::string> word();
  absl::StatusOr<std::string> quoted();
  absl::Status escape(char quote, std::string& out);

  std::string_view text_;
  std::string_view rest_;
};

}  // namespace samara::snapshotter
