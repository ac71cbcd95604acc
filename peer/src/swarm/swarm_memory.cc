#include "swarm_memory.h"

#include "base/log.h"

namespace samara::peer {
namespace {

constexpr char kPiecesTable[] = "swarm_pieces";
constexpr char kHaveTable[] = "swarm_have";
constexpr std::size_t kSizeBytes = 8;

std::string encode(const BlobPieces& pieces) {
  std::string row;
  for (std::size_t i = 0; i < kSizeBytes; ++i) row += static_cast<char>(pieces.size >> (8 * i) & 0xff);
  return row + pieces.hashes;
}

bool decode(std::string_view row, BlobPieces& pieces) {
  if (row.size() < kSizeBytes) return false;
  for (std::size_t i = 0; i < kSizeBytes; ++i) {
    pieces.size |= std::uint64_t{static_cast<unsigned char>(row[i])} << (8 * i);
  }
  pieces.hashes = row.substr(kSizeBytes);
  return check(pieces).ok();
}

}  // namespace

std::vector<std::string> SwarmMemory::tables() { return {kPiecesTable, kHaveTable}; }

absl::Status SwarmMemory::remember(const Digest& blob, const BlobPieces& pieces) {
  return store_.write({{kPiecesTable, blob.key(), encode(pieces)}});
}

absl::Status SwarmMemory::remember_have(const Digest& blob, std::string bits) {
  return store_.write({{kHaveTable, blob.key(), std::move(bits)}});
}

std::string SwarmMemory::have(const Digest& blob) const {
  absl::StatusOr<std::string> row = store_.get(kHaveTable, blob.key());
  return row.ok() ? *std::move(row) : "";
}

absl::Status SwarmMemory::forget_have(const Digest& blob) {
  return store_.write({{kHaveTable, blob.key(), std::nullopt}});
}

absl::Status SwarmMemory::forget(const Digest& blob) {
  return store_.write({{kHaveTable, blob.key(), std::nullopt}, {kPiecesTable, blob.key(), std::nullopt}});
}

std::vector<std::pair<Digest, BlobPieces>> SwarmMemory::all() const {
  std::vector<std::pair<Digest, BlobPieces>> all;
  const absl::Status read = store_.scan(kPiecesTable, "", [&](std::string_view key, std::string_view row) {
    const absl::StatusOr<Digest> blob = Digest::from_key(key);
    BlobPieces pieces;
    if (blob.ok() && decode(row, pieces)) all.emplace_back(*blob, std::move(pieces));
    return true;
  });
  if (!read.ok()) log::warning("what was shared before can't be read", {{"error", read}});
  return all;
}

}  // namespace samara::peer
