#pragma once

#include "absl/status/status.h"
#include "base/config.h"
#include "cache_index/cache.h"

namespace samara {

/// The table [cache] that both daemons have:
///
///   quota = "20GiB"    bytes of the whole cache; 0: as much as the disk has
///   min_free = "5%"    what the cache leaves free of the disk; or bytes ("2GiB"); "0%": nothing
///
/// Errors: InvalidArgument, naming the option.
absl::Status read_cache_limits(Config& config, cache_index::Cache::Limits& limits);

}  // namespace samara
