#include "cache_rows.h"

#include <limits>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "little_endian.h"

namespace samara::cache_index {
namespace {

/// Takes fields off the front of a row; after one that isn't there, ok() is false for good.
class Fields {
 public:
  explicit Fields(std::string_view row) : rest_(row) {}

  template <typename T>
  T number() {
    const std::string_view bytes = take(sizeof(T));
    return ok_ ? load_le<T>(as_bytes(bytes).data()) : 0;
  }

  /// A digest in the form of Digest::key(), whose first byte tells its length.
  Digest digest() {
    if (rest_.empty()) ok_ = false;
    if (!ok_) return {};
    const absl::StatusOr<Digest> digest = Digest::from_key(take(rest_[0] == 0 ? 33 : 65));
    ok_ = ok_ && digest.ok();
    return ok_ ? *digest : Digest();
  }

  std::string text(std::size_t size) { return std::string(take(size)); }
  bool at_end() const { return !ok_ || rest_.empty(); }

  /// Was everything there, and nothing besides?
  bool complete() const { return ok_ && rest_.empty(); }

 private:
  std::string_view take(std::size_t size) {
    if (size > rest_.size()) ok_ = false;
    if (!ok_) return {};
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
  bool ok_ = true;
};

absl::Status damaged(std::string_view table, std::string_view row) {
  return absl::DataLossError(str_cat("damaged row of ", row.size(), " bytes in table ", table));
}

}  // namespace

std::string encode(const ObjectRow& row) {
  std::string out;
  append_le(out, static_cast<std::uint8_t>(row.kind));
  append_le(out, static_cast<std::uint8_t>(row.complete ? 1 : 0));
  append_le(out, row.size);
  append_le(out, row.last_use);
  return out;
}

absl::StatusOr<ObjectRow> decode_object_row(std::string_view row) {
  Fields fields(row);
  const auto kind = fields.number<std::uint8_t>(), complete = fields.number<std::uint8_t>();
  ObjectRow object;
  object.kind = static_cast<ObjectRow::Kind>(kind);
  object.complete = complete == 1;
  object.size = fields.number<std::uint64_t>();
  object.last_use = fields.number<std::uint64_t>();
  if (!fields.complete() || kind > 1 || complete > 1) return damaged(kObjectsTable, row);
  return object;
}

std::string encode(const ChunkRow& row) {
  std::string out = row.blob.key();
  append_le(out, row.offset);
  append_le(out, row.frame_size);
  append_le(out, row.stream_size);
  append_le(out, row.last_use);
  return out;
}

absl::StatusOr<ChunkRow> decode_chunk_row(std::string_view row) {
  Fields fields(row);
  ChunkRow chunk;
  chunk.blob = fields.digest();
  chunk.offset = fields.number<std::uint64_t>();
  chunk.frame_size = fields.number<std::uint32_t>();
  chunk.stream_size = fields.number<std::uint32_t>();
  chunk.last_use = fields.number<std::uint64_t>();
  if (!fields.complete() || chunk.frame_size > kMaxFrameBytes || chunk.stream_size > kMaxChunkBytes ||
      chunk.offset > std::numeric_limits<std::int64_t>::max() - kMaxFrameBytes) {
    return damaged(kChunksTable, row);
  }
  return chunk;
}

std::string encode(const LayerRecord& record) {
  std::string out = record.index.key() + record.blob.key();
  append_le(out, record.index_size);
  append_le(out, record.blob_size);
  append_le(out, record.layer_size);
  return out;
}

absl::StatusOr<LayerRecord> decode_layer_record(std::string_view key, std::string_view row) {
  LayerRecord record;
  SAMARA_ASSIGN_OR_RETURN(record.layer, Digest::from_key(key));
  Fields fields(row);
  record.index = fields.digest();
  record.blob = fields.digest();
  record.index_size = fields.number<std::uint64_t>();
  record.blob_size = fields.number<std::uint64_t>();
  record.layer_size = fields.number<std::uint64_t>();
  if (!fields.complete()) return damaged(kLayersTable, row);
  return record;
}

std::string encode(const Cache::Pin& pin) {
  std::string out;
  append_le(out, pin.expires);
  append_le(out, static_cast<std::uint32_t>(pin.reason.size()));
  out += pin.reason;
  for (const Digest& member : pin.members) out += member.key();
  return out;
}

absl::StatusOr<Cache::Pin> decode_pin(std::string_view name, std::string_view row) {
  Fields fields(row);
  Cache::Pin pin;
  pin.name = name;
  pin.expires = fields.number<std::uint64_t>();
  pin.reason = fields.text(fields.number<std::uint32_t>());
  while (!fields.at_end()) pin.members.push_back(fields.digest());
  if (!fields.complete() || pin.members.empty()) return damaged(kPinsTable, row);
  return pin;
}

}  // namespace samara::cache_index
