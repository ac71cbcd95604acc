#include "slot_table.h"

#include <sys/stat.h>

#include <mutex>
#include <utility>

#include "base/status.h"
#include "base/text.h"
#include "node_id.h"

namespace samara::fuse_fs {
namespace {

absl::Status check_root(const cache_index::IndexReader& layer) {
  SAMARA_ASSIGN_OR_RETURN(const cache_index::Inode root, layer.inode(cache_index::kRootInode));
  if (!S_ISDIR(root.mode)) return absl::DataLossError("the layer's root isn't a directory");
  return absl::OkStatus();
}

}  // namespace

SlotTable::SlotTable() { touch(); }

absl::Status SlotTable::attach(std::uint32_t number, peer::LayerIndex layer) {
  if (number >= kMaxSlots) return absl::InvalidArgumentError(str_cat("slot ", number, ": too large"));
  SAMARA_RETURN_IF_ERROR(annotate(check_root(*layer), str_cat("slot ", number)));
  const cache_index::LayerInfo& info = layer->info();

  const std::unique_lock lock(mutex_);
  const auto [at, inserted] = slots_.try_emplace(number);
  Slot& slot = at->second;
  if (inserted) {
    slot.diff_id = info.diff_id;
    slot.blob = info.blob;
  } else if (slot.diff_id != info.diff_id || slot.blob != info.blob) {
    return absl::AlreadyExistsError(
        str_cat("slot ", number, " is layer ", slot.diff_id.brief(), ", not ", info.diff_id.brief()));
  }
  if (slot.attached) return absl::OkStatus();
  if (slot.layer == nullptr) slot.layer = std::move(layer);
  slot.attached = true;
  touch();
  return absl::OkStatus();
}

absl::Status SlotTable::detach(std::uint32_t number) {
  const std::unique_lock lock(mutex_);
  const auto at = slots_.find(number);
  if (at == slots_.end() || !at->second.attached) {
    return absl::NotFoundError(str_cat("slot ", number, ": nothing is attached"));
  }
  Slot& slot = at->second;
  slot.attached = false;
  if (slot.lookups <= 0) slot.layer = nullptr;
  touch();
  return absl::OkStatus();
}

bool SlotTable::has_named(std::uint32_t number) const {
  const std::shared_lock lock(mutex_);
  return slots_.contains(number);
}

peer::LayerIndex SlotTable::find(std::uint32_t number) const {
  const std::shared_lock lock(mutex_);
  const auto at = slots_.find(number);
  return at == slots_.end() ? nullptr : at->second.layer;
}

peer::LayerIndex SlotTable::find_attached(std::uint32_t number) const {
  const std::shared_lock lock(mutex_);
  const auto at = slots_.find(number);
  return at == slots_.end() || !at->second.attached ? nullptr : at->second.layer;
}

std::optional<SlotTable::Attached> SlotTable::next(std::uint64_t from) const {
  if (from >= kMaxSlots) return std::nullopt;
  const std::shared_lock lock(mutex_);
  for (auto at = slots_.lower_bound(static_cast<std::uint32_t>(from)); at != slots_.end(); ++at) {
    if (at->second.attached) return Attached{at->first, at->second.layer};
  }
  return std::nullopt;
}

void SlotTable::looked_up(std::uint32_t number, std::uint64_t times) {
  const std::shared_lock lock(mutex_);
  const auto at = slots_.find(number);
  if (at != slots_.end()) at->second.lookups += static_cast<std::int64_t>(times);
}

void SlotTable::forget(std::uint32_t number, std::uint64_t times) {
  {
    const std::shared_lock lock(mutex_);
    const auto at = slots_.find(number);
    if (at == slots_.end()) return;
    const std::int64_t left = at->second.lookups -= static_cast<std::int64_t>(times);
    if (left > 0 || at->second.attached) return;
  }
  const std::unique_lock lock(mutex_);
  const auto at = slots_.find(number);
  if (at->second.lookups <= 0 && !at->second.attached) at->second.layer = nullptr;
}

timespec SlotTable::changed() const {
  const std::shared_lock lock(mutex_);
  return changed_;
}

SlotTable::Totals SlotTable::totals() const {
  Totals totals;
  const std::shared_lock lock(mutex_);
  for (const auto& [number, slot] : slots_) {
    if (!slot.attached) continue;
    totals.bytes += slot.layer->info().stream_size;
    totals.inodes += slot.layer->info().inode_count;
    ++totals.slots;
  }
  return totals;
}

void SlotTable::touch() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (now.tv_sec == changed_.tv_sec && now.tv_nsec == changed_.tv_nsec) now.tv_nsec = (now.tv_nsec + 1) % 1'000'000'000;
  changed_ = now;
}

}  // namespace samara::fuse_fs
