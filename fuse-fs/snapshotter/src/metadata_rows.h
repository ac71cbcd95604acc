#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "snapshotter/snapshot.h"

/// Rows <-> bytes; docs/state.md.
namespace samara::snapshotter {

inline constexpr std::string_view kSnapshotsTable = "snapshots";
inline constexpr std::string_view kLazyLayersTable = "lazy_layers";
inline constexpr std::string_view kCountersTable = "snapshot_counters";

std::string encode_snapshot(const Snapshot& snapshot);
/// DataLoss when `row` isn't one.
absl::StatusOr<Snapshot> decode_snapshot(std::string_view name, std::string_view row);

/// Four bytes, most significant first.
std::string slot_key(std::uint32_t slot);
std::string encode_lazy_layer(const LazyLayer& layer);
absl::StatusOr<LazyLayer> decode_lazy_layer(std::string_view key, std::string_view row);

}  // namespace samara::snapshotter
