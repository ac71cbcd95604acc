#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "disk_cache.h"

/// Pins: rows that say what an eviction leaves alone.
namespace samara::cache_index {

absl::Status DiskCache::add_pin(const Pin& pin) {
  if (pin.name.empty() || pin.name.size() > kMaxPinName || pin.reason.size() > kMaxPinReason)
    return absl::InvalidArgumentError(str_cat("a pin's name has 1 to ", kMaxPinName, " bytes, its reason at most ", kMaxPinReason));
  if (pin.members.empty() || pin.members.size() > kMaxPinMembers)
    return absl::InvalidArgumentError(str_cat("a pin names 1 to ", kMaxPinMembers, " objects"));
  return store_->write({{kPinsTable, pin.name, encode(pin)}}, Store::Sync::kYes);
}

absl::Status DiskCache::remove_pin(const std::string& name) {
  const absl::StatusOr<std::string> row = store_->get(kPinsTable, name);
  if (absl::IsNotFound(row.status())) return absl::NotFoundError(str_cat("there is no pin \"", name, "\""));
  SAMARA_RETURN_IF_ERROR(row.status());
  return store_->write({{kPinsTable, name, std::nullopt}}, Store::Sync::kYes);
}

absl::StatusOr<std::vector<Cache::Pin>> DiskCache::pins() const {
  std::vector<Pin> pins;
  SAMARA_RETURN_IF_ERROR(store_->scan(kPinsTable, "", [&](std::string_view name, std::string_view row) {
    absl::StatusOr<Pin> pin = decode_pin(name, row);
    if (!pin.ok()) log::warning("a damaged pin; samara fsck --mend removes it", {{"pin", name}});
    if (pin.ok() && (pin->expires == 0 || pin->expires > now())) pins.push_back(*std::move(pin));
    return true;
  }));
  return pins;
}

std::uint64_t DiskCache::pinned_bytes(const Pin& pin) const {
  std::unordered_set<Digest> files(pin.members.begin(), pin.members.end());
  for (const Digest& member : pin.members) {
    if (const auto record = layer(member); record.ok()) files.insert({record->index, record->blob});
  }
  std::uint64_t bytes = 0;
  for (const Digest& file : files) bytes += space_.file_bytes(file);
  return bytes;
}

// A layer's chunks may lie in other blobs than its own, also where that is whole: its index names them all.
void DiskCache::protect_pinned(const Pin& pin, Protection& protection) const {
  for (const Digest& member : pin.members) {
    protection.files.insert(member);
    const absl::StatusOr<LayerRecord> record = layer(member);
    if (!record.ok()) continue;
    protection.files.insert({record->index, record->blob});
    if (!has_object(record->index)) continue;
    const auto index = IndexReader::open(object_path(record->index));
    if (index.ok()) protection.chunks.add_all_of(**index);
  }
}

}  // namespace samara::cache_index
