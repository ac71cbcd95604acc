#include "walk_index.h"

#include <algorithm>

#include "base/file.h"
#include "cache_index/hasher.h"
#include "cache_index/tar_stream.h"

namespace samara::cache_index {
namespace {

constexpr std::uint64_t kMaxTarBytes = 16u << 20;
constexpr std::size_t kHeaderBytes = 512, kChecksumOffset = 480;

class Walk {
 public:
  Walk(const IndexReader& index, std::size_t max_steps) : index_(index), left_(max_steps) {}

  std::size_t run() {
    for (std::uint32_t number = 0; number <= index_.info().inode_count && left_ > 0; ++number) ask(number);
    for (std::uint32_t i = 0; i <= index_.info().chunk_count && left_ > 0; ++i) {
      const auto chunk = index_.chunk(i);
      if (note(chunk.ok())) note(index_.chunk_at(chunk->stream_offset).ok());
    }
    note(index_.chunk_at(index_.info().stream_size).ok());
    note(index_.chunk_at(index_.info().stream_size / 2).ok());
    note(index_.check_content().ok());
    note(replay());
    return good_;
  }

 private:
  bool note(bool ok) {
    if (left_ > 0) --left_;
    good_ += ok;
    return ok;
  }

  void ask(std::uint32_t number) {
    note(index_.inode(number).ok());
    note(index_.parent(number).ok());
    note(index_.symlink_target(number).ok());
    note(index_.xattrs(number).ok());
    note(index_.lookup(number, "a name").ok());
    const auto count = index_.entry_count(number);
    if (!note(count.ok())) return;
    for (std::uint32_t i = 0; i <= *count && left_ > 0; ++i) {
      const auto entry = index_.entry(number, i);
      if (note(entry.ok())) note(index_.lookup(number, entry->name).ok());
    }
  }

  bool replay() {
    std::uint64_t size = 0;
    const ChunkSource zeros = [](const Chunk& chunk) { return std::string(chunk.stream_size, '\0'); };
    return replay_tar(index_, zeros, [&size](std::span<const std::uint8_t> bytes) {
             size += bytes.size();
             return size > kMaxTarBytes ? absl::ResourceExhaustedError("enough") : absl::OkStatus();
           }).ok();
  }

  const IndexReader& index_;
  std::size_t left_;
  std::size_t good_ = 0;
};

}  // namespace

std::size_t walk_index(const IndexReader& index, std::size_t max_steps) { return Walk(index, max_steps).run(); }

void seal_header(std::string& index) {
  if (index.size() < kHeaderBytes) return;
  const Digest checksum = sha256(as_bytes(index).first(kChecksumOffset));
  std::copy(checksum.bytes().begin(), checksum.bytes().end(), index.begin() + kChecksumOffset);
}

}  // namespace samara::cache_index
