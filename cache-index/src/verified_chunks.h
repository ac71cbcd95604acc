#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>

#include "base/digest.h"

namespace samara::cache_index {

/// Which chunks were compared with their digests since the cache was opened, so that reading one again only unpacks it.
///
/// A mark speaks of the bytes that a row points to: whoever takes the row away, or is about to change the bytes, calls
/// forget() in between. Whoever read bytes before that mustn't mark them after it: hence the epoch, taken before the
/// bytes are read. And a mark that is still there after the bytes were read says that they were the right ones.
/// Bounded: 4 MiB for 256k chunks, about 64 GiB of content; of two chunks that want one place the later one has it.
/// Threads: any.
class VerifiedChunks {
 public:
  std::uint64_t epoch() const {
    const std::lock_guard lock(mutex_);
    return epoch_;
  }
  bool contains(const Digest& chunk) const {
    const std::lock_guard lock(mutex_);
    return slots_ != nullptr && tag(chunk) != Tag() && slots_[place(chunk)] == tag(chunk);
  }
  /// After its bytes, read since `epoch`, had the right digest.
  void mark(const Digest& chunk, std::uint64_t epoch) {
    const std::lock_guard lock(mutex_);
    if (epoch != epoch_) return;
    if (slots_ == nullptr) slots_ = std::make_unique<Tag[]>(kSlots);
    slots_[place(chunk)] = tag(chunk);
  }
  void forget(const Digest& chunk) {
    const std::lock_guard lock(mutex_);
    ++epoch_;
    if (slots_ != nullptr && slots_[place(chunk)] == tag(chunk)) slots_[place(chunk)] = {};
  }
  void forget_all() {
    const std::lock_guard lock(mutex_);
    ++epoch_;
    slots_ = nullptr;
  }

 private:
  static constexpr std::size_t kSlots = 1u << 18;
  /// The first half of a SHA-256; its next bytes say where. All zeros: nothing.
  struct Tag {
    std::uint64_t words[2] = {0, 0};
    bool operator==(const Tag&) const = default;
  };
  static Tag tag(const Digest& chunk) {
    Tag tag;
    std::memcpy(tag.words, chunk.bytes().data(), sizeof tag.words);
    return tag;
  }
  static std::size_t place(const Digest& chunk) {
    std::uint32_t number = 0;
    std::memcpy(&number, chunk.bytes().data() + sizeof(Tag), sizeof number);
    return number % kSlots;
  }

  mutable std::mutex mutex_;
  std::uint64_t epoch_ = 0;
  std::unique_ptr<Tag[]> slots_;  // none before the first mark
};

}  // namespace samara::cache_index
