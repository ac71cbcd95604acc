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
  /// `cache` is borrowed and outlives the writer.
  static absl::StatusOr<std::unique_ptr<ObjectWriter>> create(DiskCache& cache, const Digest& digest,
                                                              std::string path);
  ~ObjectFileWriter() override;

  absl::Status append(std::span<const std::uint8_t> bytes) override;
  std::uint64_t size() const override { return size_; }
  int fd() const override { return fd_.get(); }
  absl::Status commit() override;

 private:
  ObjectFileWriter(DiskCache& cache, const Digest& digest, std::string path, Fd fd);

  DiskCache& cache_;
  const Digest digest_;
  const std::string path_;
  const Fd fd_;
  Hasher hasher_;
  std::atomic<std::uint64_t> size_{0};  // readers of the file ask how far it is
  bool renamed_ = false;
};

}  // namespace samara::cache_index
