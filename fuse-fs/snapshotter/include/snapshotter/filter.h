#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "snapshotter/snapshot.h"

namespace samara::snapshotter {

/// The filters of a List request: a snapshot is listed when any of them matches, or when there are none.
///
/// Shape:  filter   = [ term *( "," term ) ]         all terms must match; the empty filter matches everything
///         term     = field [ operator value ]       a field alone: is it there?
///         field    = "name" | "parent" | "kind" | "labels" "." key
///         key      = word *( "." word ), each word plain (letters, digits, "_") or quoted
///         operator = "==" | "!=" | "~="             "~=": RE2 syntax, found anywhere in the value
///         value    = quoted | anything up to a comma or white space
///         quoted   = Go string with "…"; a value of "~=" may stand between / / or | | too
///         An absent field has the empty value, and "==" never matches it. Other fields are always absent.
/// Source: containerd's filter syntax; facts in docs/containerd.md.
/// Threads: any; immutable.
class FilterSet {
 public:
  /// Errors: InvalidArgument naming the filter and the place; more than 64 filters or 64 KiB of text.
  static absl::StatusOr<FilterSet> parse(const std::vector<std::string>& filters);
  FilterSet(FilterSet&&) noexcept;
  FilterSet& operator=(FilterSet&&) noexcept;
  ~FilterSet();

  bool matches(const Info& info) const;

 private:
  struct Term;
  using Filter = std::vector<Term>;  // all of them
  FilterSet();
  std::vector<Filter> filters_;  // any of them
};

}  // namespace samara::snapshotter
