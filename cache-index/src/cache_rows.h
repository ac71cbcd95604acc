#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/digest.h"
#include "cache_index/cache.h"

/// The rows of the cache's tables; docs/cache.md is the layout. Decoders answer DataLoss for anything that their
/// encoder would not have written.
namespace samara::cache_index {

inline constexpr char kMetaTable[] = "meta";
inline constexpr char kObjectsTable[] = "objects";
inline constexpr char kChunksTable[] = "chunks";
inline constexpr char kLayersTable[] = "layers";
inline constexpr char kPinsTable[] = "pins";

/// One file under objects/.
struct ObjectRow {
  enum class Kind : std::uint8_t { kObject = 0, kBlob = 1 };
  Kind kind = Kind::kObject;
  bool complete = false;        ///< all bytes are there and were right when they were put there
  std::uint64_t size = 0;       ///< of a complete one; 0 else
  std::uint64_t last_use = 0;   ///< seconds since the epoch, to LastUses::kGrain; 0: not recorded
};

/// Where a chunk's frame lies.
struct ChunkRow {
  Digest blob;
  std::uint64_t offset = 0;
  std::uint32_t frame_size = 0;   ///< at most kMaxFrameBytes
  std::uint32_t stream_size = 0;  ///< at most kMaxChunkBytes
  std::uint64_t last_use = 0;     ///< as in ObjectRow
};

std::string encode(const ObjectRow& row);
std::string encode(const ChunkRow& row);
std::string encode(const LayerRecord& record);
std::string encode(const Cache::Pin& pin);
absl::StatusOr<ObjectRow> decode_object_row(std::string_view row);
absl::StatusOr<ChunkRow> decode_chunk_row(std::string_view row);
absl::StatusOr<LayerRecord> decode_layer_record(std::string_view key, std::string_view row);
absl::StatusOr<Cache::Pin> decode_pin(std::string_view name, std::string_view row);

inline constexpr std::size_t kMaxPinName = 1024, kMaxPinReason = 1024, kMaxPinMembers = 10'000;

}  // namespace samara::cache_index
