#include "cache_options.h"

#include <limits>

#include "absl/strings/numbers.h"
#include "base/text.h"

namespace samara {
namespace {

// A limit below this holds hardly more than the cache's own tables.
constexpr std::uint64_t kLeastQuota = 64u << 20;

}  // namespace

absl::Status read_cache_limits(Config& config, cache_index::Cache::Limits& limits) {
  Config& table = config.table("cache");
  limits.quota = table.size("quota", 0);
  if (limits.quota > 0 && limits.quota < kLeastQuota)
    return absl::InvalidArgumentError("cache.quota must be at least 64MiB, or 0 for none");

  const std::string min_free = table.text("min_free", "5%");
  if (!min_free.ends_with('%')) {
    limits.min_free_share = 0;
    limits.min_free_bytes = table.size("min_free", 0);
    return absl::OkStatus();
  }
  double percent = 0;
  if (!absl::SimpleAtod(min_free.substr(0, min_free.size() - 1), &percent) || !(percent >= 0 && percent <= 90))
    return absl::InvalidArgumentError(str_cat("cache.min_free must be bytes or from 0% to 90%, not \"", min_free, "\""));
  limits.min_free_share = percent / 100;
  return absl::OkStatus();
}

}  // namespace samara
