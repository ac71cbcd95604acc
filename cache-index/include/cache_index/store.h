#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace samara::cache_index {

/// Named tables of key -> value on disk (RocksDB column families), with atomic batches across tables.
///
/// What write() acknowledged survives kill -9; with Sync::kYes also a power cut. One process at a time.
/// A disk that was full and has room again is noticed by the next write(); reads go on meanwhile.
/// Errors: NotFound, ResourceExhausted (disk full), DataLoss (corruption), Unavailable (in use by another process),
/// InvalidArgument (no such table).
/// Threads: any.
class Store {
 public:
  enum class Sync { kNo, kYes };

  struct Change {
    std::string table;
    std::string key;
    std::optional<std::string> value;  ///< nullopt deletes
  };

  /// Opens or creates `<path>` with exactly these tables (those on disk that aren't listed are opened and kept).
  static absl::StatusOr<std::unique_ptr<Store>> open(const std::string& path, const std::vector<std::string>& tables);
  /// All tables as they are now, also while another process writes; write() fails.
  static absl::StatusOr<std::unique_ptr<Store>> open_read_only(const std::string& path);
  /// Brings a database that open() calls damaged into a state that it opens, with the rows that can still be read.
  static absl::Status repair(const std::string& path);
  virtual ~Store() = default;

  virtual absl::StatusOr<std::string> get(std::string_view table, std::string_view key) const = 0;
  /// One answer a key, in their order; nullopt for a key that has no row. Faster than as many get().
  virtual absl::StatusOr<std::vector<std::optional<std::string>>> multi_get(
      std::string_view table, const std::vector<std::string>& keys) const = 0;
  virtual absl::Status write(const std::vector<Change>& changes, Sync sync = Sync::kNo) = 0;
  /// Calls `visit` for each row whose key starts with `prefix`, in key order, until it returns false.
  virtual absl::Status scan(std::string_view table, std::string_view prefix,
                            const std::function<bool(std::string_view key, std::string_view value)>& visit) const = 0;
};

}  // namespace samara::cache_index
