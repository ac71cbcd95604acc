#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace samara::cli {

/// A TOML file as text in which single keys are set, everything else (order, comments, indentation) staying as it is.
///
/// What is set is marked at the end of its line, with what stood there before, so that undo() finds it whatever was
/// edited since. Keys that stand there as dotted keys, in inline tables or over several lines are not found: whoever
/// sets a key reads the result with Config and sees whether it took.
class TomlText {
 public:
  explicit TomlText(std::string_view text);

  /// `table`: the parts of its name, e.g. {"proxy_plugins", "samara"}. `value`: as TOML writes it. Nothing changes where
  /// the key has that value already.
  void set(const std::vector<std::string>& table, std::string_view key, std::string_view value);
  std::string text() const;

  /// The text without what set() has ever done to it.
  static std::string undo(std::string_view text);

 private:
  std::vector<std::string> lines_;
};

/// A string as TOML writes it.
std::string toml_string(std::string_view text);

}  // namespace samara::cli
