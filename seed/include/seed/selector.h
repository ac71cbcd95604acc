#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace samara::seed {

/// Which nodes are meant: all that fulfil every term.
///
/// Shape: terms with commas between; empty or "all": every node.
///   key=value          the label has that value; "a|b": one of them
///   key!=value         it has another value, or there is no such label
///   key, !key          the label is there, is not
///   name=node-*        by the node's name ("edge-1/node-7" is meant by its last part too); '*' stands for any text, in
///                      values of labels too
/// Threads: immutable.
class Selector {
 public:
  /// InvalidArgument, naming the term: an empty one, or more than 64.
  static absl::StatusOr<Selector> parse(std::string_view text);

  bool matches(std::string_view name, const std::map<std::string, std::string>& labels) const;
  const std::string& text() const { return text_; }

 private:
  struct Term {
    enum class Kind { kEquals, kDiffers, kPresent, kAbsent } kind = Kind::kEquals;
    std::string key;
    std::vector<std::string> values;
  };
  static absl::StatusOr<Term> parse_term(std::string_view text);
  static bool fulfils(const Term& term, const std::string* value);

  std::string text_;
  std::vector<Term> terms_;
};

/// Does `text` fit `pattern`, in which '*' stands for any text? In time linear in their product.
bool fits(std::string_view pattern, std::string_view text);

}  // namespace samara::seed
