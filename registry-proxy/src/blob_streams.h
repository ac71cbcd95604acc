#pragma once

#include <algorithm>
#include <memory>
#include <stop_token>

#include "base/byte_stream.h"
#include "cache_index/cache.h"
#include "registry_proxy/fill.h"

namespace samara::registry_proxy {

/// A complete object from its first byte to its last.
class ObjectStream final : public ByteStream {
 public:
  ObjectStream(cache_index::ObjectFile object, std::stop_token stop) : object_(std::move(object)), stop_(stop) {}
  absl::StatusOr<std::size_t> read(std::span<std::uint8_t> out) override;

 private:
  cache_index::ObjectFile object_;
  std::stop_token stop_;
  std::uint64_t offset_ = 0;
};

/// A fill followed from its first byte to its last.
class FillStream final : public ByteStream {
 public:
  FillStream(FillReader fill, std::stop_token stop) : fill_(std::move(fill)), stop_(stop) {}
  absl::StatusOr<std::size_t> read(std::span<std::uint8_t> out) override;

 private:
  FillReader fill_;
  std::stop_token stop_;
  std::uint64_t offset_ = 0;
};

}  // namespace samara::registry_proxy
