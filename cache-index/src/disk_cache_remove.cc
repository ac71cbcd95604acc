#include <algorithm>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "disk_cache.h"
#include "eviction_pass.h"

/// What people want gone, and what they are told of what is here.
namespace samara::cache_index {
namespace {

constexpr std::size_t kChunksAtOnce = 4096;

}  // namespace

absl::StatusOr<std::uint64_t> DiskCache::remove(const Removal& removal, Doing doing) {
  const std::lock_guard one_at_a_time(passes_);
  SAMARA_RETURN_IF_ERROR(flush_uses());
  if (doing == Doing::kRemove) SAMARA_RETURN_IF_ERROR(remove_expired_pins());
  SAMARA_ASSIGN_OR_RETURN(const EvictionScope scope, scope_of(removal));
  SAMARA_ASSIGN_OR_RETURN(const Protection protection, protection_from(removal, doing));
  EvictionPass pass(*this, protection, now(), &scope);
  if (doing == Doing::kPlan) return pass.plan();

  space_.measure_rest();
  const std::uint64_t before = space_.used();
  const absl::Status status = pass.run(~std::uint64_t{0});
  space_.measure_rest();
  const std::uint64_t freed = before - std::min(before, space_.used());
  log::info("removed what somebody wanted gone", {{"bytes", freed}, {"chunks", pass.chunks()}, {"objects", pass.objects()}});
  SAMARA_RETURN_IF_ERROR(status);
  return freed;
}

absl::StatusOr<EvictionScope> DiskCache::scope_of(const Removal& removal) const {
  EvictionScope scope;
  scope.everything = removal.everything;
  if (removal.used_before > 0) scope.used_before = removal.used_before;
  for (const Digest& member : removal.members) {
    scope.files.insert(member);
    const absl::StatusOr<LayerRecord> record = layer(member);
    if (!record.ok()) continue;
    scope.files.insert({record->index, record->blob});
    const auto index = IndexReader::open(object_path(record->index));
    if (index.ok()) scope.chunks.add_all_of(**index);
  }
  scope.chunks.seal();
  return scope;
}

// As protection_now(), and what the removal is to keep. What is in the mount stays, whether or not a site answers.
absl::StatusOr<Protection> DiskCache::protection_from(const Removal& removal, Doing doing) {
  Protection protection;
  const InUse in_use = in_use_ ? in_use_() : InUse();
  protection.files.insert(in_use.objects.begin(), in_use.objects.end());
  for (const auto& layer : in_use.layers) SAMARA_RETURN_IF_ERROR(keep_layer(*layer, doing, protection));
  std::unordered_set<Digest> keep(removal.keep.begin(), removal.keep.end());
  SAMARA_ASSIGN_OR_RETURN(const std::vector<Pin> pins, this->pins());
  for (const Pin& pin : pins) keep.insert(pin.members.begin(), pin.members.end());
  for (const Digest& member : keep) {
    protection.files.insert(member);
    const absl::StatusOr<LayerRecord> record = layer(member);
    if (!record.ok()) continue;
    protection.files.insert({record->index, record->blob});
    const auto index = IndexReader::open(object_path(record->index));
    if (index.ok()) SAMARA_RETURN_IF_ERROR(keep_layer(**index, doing, protection));
  }
  protection.chunks.seal();
  protection.dear_chunks.seal();
  return protection;
}

// A layer whose blob is here whole needs nobody else's: its chunks are looked for there from now on.
absl::Status DiskCache::keep_layer(const IndexReader& index, Doing doing, Protection& protection) {
  const Digest& blob = index.info().blob;
  if (!has_object(blob)) {
    protection.chunks.add_all_of(index);
    return absl::OkStatus();
  }
  protection.files.insert(blob);
  return doing == Doing::kRemove ? claim_chunks(index) : absl::OkStatus();
}

absl::Status DiskCache::claim_chunks(const IndexReader& index) {
  const Digest& blob = index.info().blob;
  const auto file = locks_.exclusive(blob);
  if (!has_object(blob)) return absl::OkStatus();
  for (std::uint32_t i = 0; i < index.info().chunk_count; i += kChunksAtOnce) {
    const std::uint32_t end = static_cast<std::uint32_t>(std::min<std::uint64_t>(index.info().chunk_count, std::uint64_t{i} + kChunksAtOnce));
    std::vector<Chunk> chunks;
    std::vector<std::string> keys;
    for (std::uint32_t at = i; at < end; ++at) {
      SAMARA_ASSIGN_OR_RETURN(chunks.emplace_back(), index.chunk(at));
      keys.push_back(chunks.back().digest.key());
    }
    const std::lock_guard rows(rows_);
    SAMARA_ASSIGN_OR_RETURN(const auto known, store_->multi_get(kChunksTable, keys));
    std::vector<Store::Change> changes;
    for (std::size_t at = 0; at < chunks.size(); ++at) {
      const absl::StatusOr<ChunkRow> row = known[at] ? decode_chunk_row(*known[at]) : absl::NotFoundError("");
      if (row.ok() && row->blob == blob) continue;
      changes.push_back({kChunksTable, keys[at],
                         encode(ChunkRow{.blob = blob,
                                         .offset = chunks[at].blob_offset,
                                         .frame_size = chunks[at].blob_size,
                                         .stream_size = chunks[at].stream_size,
                                         .last_use = row.ok() ? row->last_use : 0})});
    }
    SAMARA_RETURN_IF_ERROR(store_->write(changes));
  }
  return absl::OkStatus();
}

absl::Status DiskCache::remove_expired_pins() {
  std::vector<Store::Change> expired;
  SAMARA_RETURN_IF_ERROR(store_->scan(kPinsTable, "", [&](std::string_view name, std::string_view row) {
    const absl::StatusOr<Pin> pin = decode_pin(name, row);
    if (pin.ok() && pin->expires != 0 && pin->expires <= now()) expired.push_back({kPinsTable, std::string(name), std::nullopt});
    return true;
  }));
  return expired.empty() ? absl::OkStatus() : store_->write(expired, Store::Sync::kYes);
}

std::optional<Cache::ObjectUse> DiskCache::object_use(const Digest& digest) const {
  const absl::StatusOr<ObjectRow> row = object_row(digest);
  if (!row.ok()) return std::nullopt;
  return ObjectUse{.size = row->size, .disk_bytes = space_.file_bytes(digest), .last_use = uses_.object_use(digest, row->last_use), .complete = row->complete};
}

absl::StatusOr<std::vector<std::optional<std::uint64_t>>> DiskCache::chunk_uses(const std::vector<Digest>& chunks) const {
  std::vector<std::string> keys;
  keys.reserve(chunks.size());
  for (const Digest& chunk : chunks) keys.push_back(chunk.key());
  SAMARA_ASSIGN_OR_RETURN(const auto rows, store_->multi_get(kChunksTable, keys));
  std::vector<std::optional<std::uint64_t>> uses(chunks.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const absl::StatusOr<ChunkRow> row = rows[i] ? decode_chunk_row(*rows[i]) : absl::NotFoundError("");
    if (row.ok()) uses[i] = uses_.chunk_use(chunks[i], row->last_use);
  }
  return uses;
}

}  // namespace samara::cache_index
