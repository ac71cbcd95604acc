#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "cache_index/cache.h"
#include "cache_index/hasher.h"

namespace samara::cache_index {

class DiskCache;

/// An ObjectWriter into a file of its own under incoming/, hashing as it goes.
class ObjectFileWriter final : public ObjectWriter {
 public:
  /// Into a new file, removed unless it is committed. `cache` is borrowed and outlives the writer.
  static absl::StatusOr<std::unique_ptr<ObjectWriter>> create(DiskCache& cache, const Digest& digest, std::string path);
  /// Into a file that stays, after what is in it already. The caller holds it alone, until release_partial().
  static absl::StatusOr<std::unique_ptr<ObjectWriter>> take_up(DiskCache& cache, const Digest& digest, std::string path);
  ~ObjectFileWriter() override;

  absl::Status append(std::span<const std::uint8_t> bytes) override;
  std::uint64_t size() const override { return size_; }
  int fd() const override { return fd_.get(); }
  absl::Status commit() override;
  void discard() override { keep_ = false; }

 private:
  ObjectFileWriter(DiskCache& cache, const Digest& digest, std::string path, Fd fd, std::uint64_t size, bool keep);
  /// What was in the file before is hashed on the writer's own thread, not on that of whoever made it.
  absl::Status hash_up_to(std::uint64_t end);

  DiskCache& cache_;
  const Digest digest_;
  const std::string path_;
  const Fd fd_;
  const bool is_partial_;
  Hasher hasher_;
  std::uint64_t hashed_ = 0;
  std::atomic<std::uint64_t> size_;  // readers of the file ask how far it is
  bool keep_;
  bool renamed_ = false;
};

}  // namespace samara::cache_index
