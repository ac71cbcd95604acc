#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace samara {

/// One table of a TOML file, read key by key. Every key that nobody asked for is an error in the end, so that a
/// mistyped option is told and not ignored.
///
///   auto config = Config::load(path);
///   settings.listen = config->text("listen", "127.0.0.1:7700");
///   for (Config& upstream : config->tables("upstream")) …      // [upstream."docker.io"]
///   SAMARA_RETURN_IF_ERROR(config->finish());
///
/// Getters return the fallback for an absent key; a value of the wrong kind is noted and told by finish().
/// Sizes take a number of bytes or "64MiB"; durations a number of seconds or "250ms", "10s", "5m", "24h".
/// Source: TOML v1.0.0.
class Config {
 public:
  static absl::StatusOr<Config> load(const std::string& path);  ///< NotFound, InvalidArgument with line and column
  static absl::StatusOr<Config> parse(std::string_view toml, std::string_view name);
  Config(Config&&) noexcept;
  Config& operator=(Config&&) noexcept;
  ~Config();

  /// This table's own key in its parent: "docker.io" of [upstream."docker.io"]; empty for the whole file.
  const std::string& key() const;

  /// Is there a value, whatever its kind?
  bool has(std::string_view key) const;

  std::string text(std::string_view key, std::string_view fallback = "");
  std::vector<std::string> texts(std::string_view key, std::vector<std::string> fallback = {});
  bool flag(std::string_view key, bool fallback);
  std::int64_t number(std::string_view key, std::int64_t fallback);
  std::uint64_t size(std::string_view key, std::uint64_t fallback);
  std::chrono::milliseconds duration(std::string_view key, std::chrono::milliseconds fallback);
  /// The sub-table `key`; empty when absent.
  Config& table(std::string_view key);
  /// Every sub-table of the sub-table `key`, by name.
  std::vector<Config*> tables(std::string_view key);
  /// Every table of the array of tables `key` ([[key]]); empty when absent.
  std::vector<Config*> table_list(std::string_view key);

  /// InvalidArgument naming every wrong or unknown key of this table and of those below it.
  absl::Status finish() const;

 private:
  struct Node;
  explicit Config(std::unique_ptr<Node> node);
  std::unique_ptr<Node> node_;
};

}  // namespace samara
