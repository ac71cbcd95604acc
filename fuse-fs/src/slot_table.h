#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>
#include <map>
#include <optional>
#include <shared_mutex>

#include "absl/status/status.h"
#include "peer/chunk_reader.h"

namespace samara::fuse_fs {

/// Which layer stands in which slot.
///
/// A detached layer is kept for as long as the kernel knows nodes of it (lookups less forgets): no open is ever told
/// to us, so this is how files that are open at that time go on working. Its slot keeps the layer's name for ever.
/// Threads: any; requests only share the lock.
class SlotTable {
 public:
  SlotTable();

  /// AlreadyExists when the slot has ever named another layer; DataLoss when the layer's root isn't a directory.
  absl::Status attach(std::uint32_t slot, peer::LayerIndex layer);
  /// NotFound when nothing is attached there.
  absl::Status detach(std::uint32_t slot);

  /// Whether the slot has ever had a layer.
  bool has_named(std::uint32_t slot) const;
  /// The layer, attached or still known to the kernel; null otherwise.
  peer::LayerIndex find(std::uint32_t slot) const;
  /// The layer if it is attached; null otherwise.
  peer::LayerIndex find_attached(std::uint32_t slot) const;
  struct Attached {
    std::uint32_t slot = 0;
    peer::LayerIndex layer;
  };
  /// The attached slot with the lowest number that isn't below `from`.
  std::optional<Attached> next(std::uint64_t from) const;

  /// Counts nodes that the kernel is told of, before it is told.
  void looked_up(std::uint32_t slot, std::uint64_t times = 1);
  void forget(std::uint32_t slot, std::uint64_t times);

  /// When the list of slots last changed; never the same twice.
  timespec changed() const;
  /// Sums over the attached layers.
  struct Totals {
    std::uint64_t bytes = 0, inodes = 0, slots = 0;
  };
  Totals totals() const;

 private:
  struct Slot {
    Digest diff_id, blob;
    peer::LayerIndex layer;  ///< null once detached and forgotten
    bool attached = false;
    std::atomic<std::int64_t> lookups{0};
  };
  void touch();

  mutable std::shared_mutex mutex_;
  std::map<std::uint32_t, Slot> slots_;
  timespec changed_{};
};

}  // namespace samara::fuse_fs
