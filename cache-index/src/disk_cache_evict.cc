#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_paths.h"
#include "disk_cache.h"
#include "eviction_pass.h"

/// Room: what a write waits for, when something was used last, and what an eviction removes.
namespace samara::cache_index {
namespace {

constexpr std::uint64_t kFlushUsesEvery = 60;  // seconds
constexpr std::size_t kUsesAtOnce = 512;

/// Sorted neighbours as one range.
std::vector<ByteRange> ranges_of(const std::vector<DiskCache::StoredChunk>& chunks) {
  std::vector<ByteRange> ranges;
  for (const DiskCache::StoredChunk& chunk : chunks) {
    const ByteRange frame{chunk.row.offset, chunk.row.offset + chunk.row.frame_size};
    if (!ranges.empty() && ranges.back().end >= frame.begin) {
      ranges.back().end = std::max(ranges.back().end, frame.end);
    } else {
      ranges.push_back(frame);
    }
  }
  return ranges;
}

}  // namespace

absl::Status punch_hole(int fd, const ByteRange& range) {
  if (::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(range.begin),
                  static_cast<off_t>(range.size())) == 0) {
    return absl::OkStatus();
  }
  return errno_status(errno, "punch a hole");
}

bool can_punch_holes_in(const std::string& directory) {
  const absl::StatusOr<Fd> probe = open_file(directory, O_TMPFILE | O_RDWR);
  if (!probe.ok()) return true;  // a filesystem without O_TMPFILE; the first hole will tell
  return pwrite_all(probe->get(), as_bytes(std::string(8192, 'x')), 0).ok() && punch_hole(probe->get(), {0, 4096}).ok();
}

absl::Status DiskCache::make_room(std::uint64_t bytes) {
  if (space_.fits(bytes)) return absl::OkStatus();
  if (evictor_.make_room(bytes)) return absl::OkStatus();
  metrics_.refused.add();
  return absl::ResourceExhaustedError(
      str_cat("the cache ", root_, " has no room for ", bytes, " bytes: it takes ", space_.used(), " of ",
              space_.limit().value_or(0), " and nothing may go"));
}

void DiskCache::start_eviction(std::function<InUse()> in_use) {
  evictor_.stop();
  {
    const std::lock_guard no_pass(passes_);
    in_use_ = std::move(in_use);
  }
  evictor_.start();
}

void DiskCache::stop_eviction() {
  evictor_.stop();
  const std::lock_guard no_pass(passes_);
  in_use_ = nullptr;
}

void DiskCache::housekeeping() {
  space_.measure_rest();
  measure_partials();
  metrics_.bytes.set(static_cast<double>(space_.used()));
  metrics_.limit.set(static_cast<double>(space_.limit().value_or(0)));
  metrics_.pinned.set(static_cast<double>(pinned_bytes_));
  if (!uses_.many() && now() < uses_flushed_ + kFlushUsesEvery) return;
  if (const absl::Status status = flush_uses(); !status.ok()) {
    log::warning("the cache can't write down what was used", {{"error", status}});  // it is noted again
  }
}

absl::StatusOr<std::uint64_t> DiskCache::evict_to(std::uint64_t bytes) {
  const std::lock_guard one_at_a_time(passes_);
  SAMARA_RETURN_IF_ERROR(flush_uses());
  space_.measure_rest();
  const std::uint64_t before = space_.used();
  if (before <= bytes) return 0;
  drop_partials(bytes);
  if (space_.used() <= bytes) return before - space_.used();
  const auto started = clock_.now();
  SAMARA_ASSIGN_OR_RETURN(const Protection protection, protection_now());
  EvictionPass pass(*this, protection, now());
  const absl::Status status = pass.run(space_.used() - bytes);
  space_.measure_rest();

  const std::uint64_t after = space_.used(), freed = before - std::min(before, after);
  pinned_bytes_ = pass.protected_bytes();
  metrics_.evicted_chunks.add(static_cast<double>(pass.chunks()));
  metrics_.evicted_objects.add(static_cast<double>(pass.objects()));
  metrics_.evicted_bytes.add(static_cast<double>(freed));
  log::info("evicted what was used longest ago",
            {{"bytes", freed},
             {"chunks", pass.chunks()},
             {"objects", pass.objects()},
             {"left", after},
             {"kept", pass.protected_bytes()},
             {"ms", std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - started).count()}});
  SAMARA_RETURN_IF_ERROR(status);
  return freed;
}

absl::StatusOr<Protection> DiskCache::protection_now() {
  Protection protection;
  const InUse in_use = in_use_ ? in_use_() : InUse();
  protection.files.insert(in_use.objects.begin(), in_use.objects.end());
  for (const auto& layer : in_use.layers) {
    (in_use.layers_stay ? protection.chunks : protection.dear_chunks).add_all_of(*layer);
  }
  SAMARA_ASSIGN_OR_RETURN(const std::vector<Pin> pins, this->pins());
  for (const Pin& pin : pins) protect_pinned(pin, protection);
  protection.chunks.seal();
  protection.dear_chunks.seal();
  return protection;
}

absl::Status DiskCache::flush_uses() {
  LastUses::Noted noted = uses_.take();
  uses_flushed_ = now();
  const auto write_down = [this](const char* table, const LastUses::Times& times, const auto& with_time) -> absl::Status {
    std::vector<std::pair<std::string, std::uint64_t>> uses;
    for (const auto& [digest, time] : times) uses.emplace_back(digest.key(), time);
    for (std::size_t begin = 0; begin < uses.size(); begin += kUsesAtOnce) {
      const std::span part(uses.data() + begin, std::min(kUsesAtOnce, uses.size() - begin));
      std::vector<std::string> keys;
      for (const auto& [key, time] : part) keys.push_back(key);
      const std::lock_guard lock(rows_);  // a row that is removed meanwhile must not come back
      SAMARA_ASSIGN_OR_RETURN(const auto rows, store_->multi_get(table, keys));
      std::vector<Store::Change> changes;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (!rows[i]) continue;
        if (std::optional<std::string> row = with_time(*rows[i], part[i].second)) changes.push_back({table, keys[i], std::move(row)});
      }
      SAMARA_RETURN_IF_ERROR(store_->write(changes));
    }
    return absl::OkStatus();
  };
  SAMARA_RETURN_IF_ERROR(write_down(kChunksTable, noted.chunks, [](const std::string& text, std::uint64_t time) {
    absl::StatusOr<ChunkRow> row = decode_chunk_row(text);
    if (row.ok()) row->last_use = time;
    return row.ok() ? std::optional(encode(*row)) : std::nullopt;
  }));
  return write_down(kObjectsTable, noted.objects, [](const std::string& text, std::uint64_t time) {
    absl::StatusOr<ObjectRow> row = decode_object_row(text);
    if (row.ok()) row->last_use = time;
    return row.ok() ? std::optional(encode(*row)) : std::nullopt;
  });
}

absl::Status DiskCache::evict_object(const Digest& digest, std::uint64_t last_use) {
  const auto file = locks_.exclusive(digest);
  {
    const std::lock_guard rows(rows_);
    const absl::StatusOr<ObjectRow> row = object_row(digest);
    if (!row.ok() || row->last_use != last_use) return absl::OkStatus();
    if (row->kind == ObjectRow::Kind::kBlob && !is_leaving(digest)) return absl::OkStatus();  // published anew
    SAMARA_RETURN_IF_ERROR(forget_object(digest));
  }
  return unlink_object(digest);
}

absl::StatusOr<std::uint64_t> DiskCache::evict_chunks(const Digest& blob, const std::vector<StoredChunk>& chunks) {
  const auto file = locks_.exclusive(blob);
  if (is_written_elsewhere(blob)) return 0;  // since the pass looked: it goes whole or not at all
  std::vector<StoredChunk> unchanged;
  {
    const std::lock_guard rows(rows_);
    std::vector<std::string> keys;
    for (const StoredChunk& chunk : chunks) keys.push_back(chunk.key);
    SAMARA_ASSIGN_OR_RETURN(const auto now, store_->multi_get(kChunksTable, keys));
    std::vector<Store::Change> changes;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      if (now[i] != encode(chunks[i].row)) continue;
      unchanged.push_back(chunks[i]);
      changes.push_back({kChunksTable, chunks[i].key, std::nullopt});
    }
    SAMARA_RETURN_IF_ERROR(store_->write(changes));
  }
  const absl::StatusOr<OpenFiles::File> open = files_.open(blob, object_path(blob), O_RDWR);
  if (absl::IsNotFound(open.status())) return unchanged.size();
  SAMARA_RETURN_IF_ERROR(open.status());
  for (const ByteRange& range : ranges_of(unchanged)) {
    marks_.touch(blob, range);
    const absl::Status punched = punch_hole((*open)->get(), range);
    marks_.touch(blob, range);
    SAMARA_RETURN_IF_ERROR(punched);
  }
  space_.set_file(blob, (*open)->get());
  return unchanged.size();
}

bool DiskCache::begin_leaving(const Digest& blob, std::uint64_t last_use) {
  const auto file = locks_.exclusive(blob);
  const absl::StatusOr<ObjectRow> row = object_row(blob);
  if (!row.ok() || row->last_use != last_use) return false;
  const std::lock_guard lock(mutex_);
  leaving_.insert(blob);
  return true;
}

void DiskCache::end_leaving(const Digest& blob) {
  const std::lock_guard lock(mutex_);
  leaving_.erase(blob);
}

bool DiskCache::is_written_elsewhere(const Digest& blob) const {
  const std::lock_guard lock(mutex_);
  return written_elsewhere_.contains(blob);
}

bool DiskCache::is_leaving(const Digest& blob) const {
  const std::lock_guard lock(mutex_);
  return leaving_.contains(blob);
}

absl::Status DiskCache::forget_chunks(const Digest& blob, const std::vector<StoredChunk>& chunks) {
  const auto file = locks_.exclusive(blob);
  if (!is_leaving(blob)) return absl::OkStatus();  // published anew
  const std::lock_guard rows(rows_);
  std::vector<Store::Change> changes;
  for (const StoredChunk& chunk : chunks) {
    const absl::StatusOr<std::string> text = store_->get(kChunksTable, chunk.key);
    const absl::StatusOr<ChunkRow> row = text.ok() ? decode_chunk_row(*text) : text.status();
    if (row.ok() && row->blob == blob) changes.push_back({kChunksTable, chunk.key, std::nullopt});
  }
  return store_->write(changes);
}

absl::Status DiskCache::remove_empty_blob(const Digest& blob) {
  const auto file = locks_.exclusive(blob);
  if (is_written_elsewhere(blob)) return absl::OkStatus();
  {
    const std::lock_guard lock(mutex_);
    if (written_.contains(blob)) return absl::OkStatus();
  }
  {
    const std::lock_guard rows(rows_);
    const absl::StatusOr<ObjectRow> row = object_row(blob);
    if (!row.ok() || row->complete) return absl::OkStatus();
    SAMARA_RETURN_IF_ERROR(forget_object(blob));
  }
  return unlink_object(blob);
}

std::unordered_set<Digest> DiskCache::take_written() {
  const std::lock_guard lock(mutex_);
  return std::exchange(written_, {});
}

absl::Status DiskCache::forget_object(const Digest& digest) const {
  SAMARA_RETURN_IF_ERROR(store_->write({{kObjectsTable, digest.key(), std::nullopt}}));
  const std::lock_guard lock(mutex_);
  verified_.erase(digest);
  written_elsewhere_.erase(digest);  // whoever has the file open finds that it has no name any more
  return absl::OkStatus();
}

absl::Status DiskCache::unlink_object(const Digest& digest) const {
  files_.forget(digest);
  space_.remove_file(digest);
  if (::unlink(object_path(digest).c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return errno_status(errno, str_cat("unlink ", object_path(digest)));
}

std::uint64_t DiskCache::now() const {
  const auto since_epoch = clock_.wall_now().time_since_epoch();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(since_epoch).count()));
}

}  // namespace samara::cache_index
