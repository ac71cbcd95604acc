#include "eviction_pass.h"

#include <algorithm>

#include "base/log.h"
#include "base/status.h"

namespace samara::cache_index {
namespace {

constexpr std::uint64_t kSmallObject = 1u << 20;
constexpr std::size_t kBatch = 4096;

}  // namespace

absl::Status EvictionPass::run(std::uint64_t bytes) {
  const std::uint64_t used = cache_.space().used();
  target_ = used - std::min(used, bytes);
  (void)cache_.take_written();  // from here on it says which blobs got chunks that look_at_chunks() may not see
  SAMARA_RETURN_IF_ERROR(look());
  plan_.choose(bytes);
  SAMARA_RETURN_IF_ERROR(remove_objects());
  return remove_empty_blobs();
}

absl::StatusOr<std::uint64_t> EvictionPass::plan() {
  SAMARA_RETURN_IF_ERROR(look());
  return plan_.total();
}

absl::Status EvictionPass::look() {
  SAMARA_RETURN_IF_ERROR(look_at_objects());
  SAMARA_RETURN_IF_ERROR(look_at_chunks());
  for (const Object& object : candidates_) {
    const std::uint64_t size = cache_.space().file_bytes(object.digest);
    if (held_.contains(object.digest)) protected_bytes_ += size;
    else plan_.add(object.tier, object.row.last_use, size);
  }
  return absl::OkStatus();
}

bool EvictionPass::enough() const { return cache_.space().used() <= target_; }

Tier EvictionPass::tier_of(const Digest& digest, const ObjectRow& row) const {
  if (spare_.contains(digest)) return Tier::kSpare;
  return row.kind == ObjectRow::Kind::kObject && row.size <= kSmallObject ? Tier::kDear : Tier::kOrdinary;
}

Tier EvictionPass::tier_of(const Digest& chunk) const {
  return protection_.dear_chunks.contains(chunk) ? Tier::kDear : Tier::kOrdinary;
}

absl::Status EvictionPass::look_at_objects() {
  SAMARA_RETURN_IF_ERROR(find_spare_layers());
  SAMARA_RETURN_IF_ERROR(cache_.store().scan(kObjectsTable, "", [&](std::string_view key, std::string_view value) {
    const absl::StatusOr<Digest> digest = Digest::from_key(key);
    const absl::StatusOr<ObjectRow> row = decode_object_row(value);
    if (!digest.ok() || !row.ok()) return true;
    // A blob that the swarm has in hand goes as a whole, like a complete one: a hole would be given out as bytes.
    const bool goes_whole = row->complete || cache_.is_written_elsewhere(*digest);
    if (!goes_whole) {
      partial_.emplace(*digest, 0);
      return true;
    }
    if (row->kind == ObjectRow::Kind::kBlob) whole_.insert(*digest);
    if (protection_.files.contains(*digest)) {
      protected_bytes_ += cache_.space().file_bytes(*digest);
    } else if (scope_ == nullptr || scope_->has_file(*digest, row->last_use)) {
      candidates_.push_back({*digest, *row, tier_of(*digest, *row)});
    }
    return true;
  }));
  std::sort(candidates_.begin(), candidates_.end(), [](const Object& a, const Object& b) {
    return std::tie(a.tier, a.row.last_use, a.digest) < std::tie(b.tier, b.row.last_use, b.digest);
  });
  return absl::OkStatus();
}

absl::Status EvictionPass::find_spare_layers() {
  SAMARA_ASSIGN_OR_RETURN(const std::vector<LayerRecord> layers, cache_.layers());
  for (const LayerRecord& record : layers) {
    if (cache_.has_object(record.blob) && cache_.has_object(record.index)) spare_.insert(record.layer);
  }
  return absl::OkStatus();
}

absl::Status EvictionPass::scan_chunks(const std::function<bool(DiskCache::StoredChunk)>& visit) {
  return cache_.store().scan(kChunksTable, "", [&](std::string_view key, std::string_view value) {
    absl::StatusOr<ChunkRow> row = decode_chunk_row(value);
    return row.ok() ? visit({std::string(key), *std::move(row)}) : true;
  });
}

absl::Status EvictionPass::look_at_chunks() {
  return scan_chunks([&](const DiskCache::StoredChunk& chunk) {
    const absl::StatusOr<Digest> digest = Digest::from_key(chunk.key);
    if (whole_.contains(chunk.row.blob)) {
      if (digest.ok() && protection_.chunks.contains(*digest)) held_.insert(chunk.row.blob);
      return true;
    }
    ++partial_[chunk.row.blob];
    if (!digest.ok()) return true;
    if (protection_.files.contains(chunk.row.blob) || protection_.chunks.contains(*digest)) {
      protected_bytes_ += chunk.row.frame_size;
    } else if (cache_.can_punch_holes() && (scope_ == nullptr || scope_->has_chunk(*digest, chunk.row.last_use))) {
      plan_.add(tier_of(*digest), chunk.row.last_use, chunk.row.frame_size);
    }
    return true;
  });
}

// Objects in which no chunk lies go at once; blobs after their chunks' rows, which one scan finds for all of them.
absl::Status EvictionPass::remove_objects() {
  std::vector<Object> blobs;
  std::uint64_t blob_bytes = 0;  // that will go with them
  absl::Status status;
  for (const Object& object : candidates_) {
    const std::uint64_t used = cache_.space().used();
    if (!status.ok() || used - std::min(used, blob_bytes) <= target_) break;
    if (held_.contains(object.digest) || !plan_.goes(object.tier, object.row.last_use)) continue;
    if (!whole_.contains(object.digest)) {
      status = remove_object(object);
    } else if (cache_.begin_leaving(object.digest, object.row.last_use)) {
      blob_bytes += cache_.space().file_bytes(object.digest);
      leaving_.insert(object.digest);
      blobs.push_back(object);
    }
  }
  if (status.ok()) status = remove_chunks();
  for (const Object& blob : blobs) {
    if (status.ok()) status = remove_object(blob);
    cache_.end_leaving(blob.digest);
  }
  return status;
}

absl::Status EvictionPass::remove_object(const Object& object) {
  SAMARA_RETURN_IF_ERROR(cache_.evict_object(object.digest, object.row.last_use));
  ++objects_;
  return absl::OkStatus();
}

absl::Status EvictionPass::remove_chunks() {
  std::vector<DiskCache::StoredChunk> batch;
  absl::Status status;
  SAMARA_RETURN_IF_ERROR(scan_chunks([&](DiskCache::StoredChunk chunk) {
    const bool leaves = leaving_.contains(chunk.row.blob);
    if (!leaves) {
      if (whole_.contains(chunk.row.blob) || protection_.files.contains(chunk.row.blob)) return true;
      const absl::StatusOr<Digest> digest = Digest::from_key(chunk.key);
      if (!digest.ok() || protection_.chunks.contains(*digest) || !cache_.can_punch_holes()) return true;
      if (scope_ != nullptr && !scope_->has_chunk(*digest, chunk.row.last_use)) return true;
      if (!plan_.goes(tier_of(*digest), chunk.row.last_use)) return true;
    }
    batch.push_back(std::move(chunk));
    if (batch.size() >= kBatch) status = remove_batch(batch);
    return status.ok();
  }));
  SAMARA_RETURN_IF_ERROR(status);
  return remove_batch(batch);
}

// Sorted by blob and place, so that neighbours make one hole.
absl::Status EvictionPass::remove_batch(std::vector<DiskCache::StoredChunk>& batch) {
  std::sort(batch.begin(), batch.end(), [](const auto& a, const auto& b) {
    return std::tie(a.row.blob, a.row.offset) < std::tie(b.row.blob, b.row.offset);
  });
  for (auto begin = batch.begin(); begin != batch.end();) {
    const auto end = std::find_if(begin, batch.end(), [&](const auto& chunk) { return chunk.row.blob != begin->row.blob; });
    SAMARA_RETURN_IF_ERROR(remove_from(begin->row.blob, {begin, end}));
    begin = end;
  }
  batch.clear();
  return absl::OkStatus();
}

absl::Status EvictionPass::remove_from(const Digest& blob, const std::vector<DiskCache::StoredChunk>& chunks) {
  if (leaving_.contains(blob)) return cache_.forget_chunks(blob, chunks);
  if (enough()) return absl::OkStatus();
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t gone, cache_.evict_chunks(blob, chunks));
  chunks_ += gone;
  std::uint64_t& left = partial_[blob];
  left -= std::min(left, gone);
  return absl::OkStatus();
}

absl::Status EvictionPass::remove_empty_blobs() {
  for (const auto& [blob, chunks] : partial_) {
    if (chunks == 0 && !protection_.files.contains(blob)) SAMARA_RETURN_IF_ERROR(cache_.remove_empty_blob(blob));
  }
  return absl::OkStatus();
}

}  // namespace samara::cache_index
