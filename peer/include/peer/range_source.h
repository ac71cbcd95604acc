#pragma once

#include <functional>
#include <span>
#include <stop_token>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "base/byte_range.h"
#include "base/digest.h"

namespace samara::peer {

enum class FetchClass;

/// Somewhere that gives ranges of immutable objects: the site, other nodes. Never trusted: whoever
/// calls verifies what comes.
/// Threads: any, many at once.
class RangeSource {
 public:
  using OnBytes = std::function<absl::Status(std::span<const std::uint8_t>)>;
  virtual ~RangeSource() = default;
  virtual std::string_view name() const = 0;
  /// Streams exactly the bytes of `range` in order. Errors: NotFound (hasn't got it), Unavailable, DeadlineExceeded,
  /// DataLoss (answered something else than that range), Cancelled, and those of `on_bytes`.
  virtual absl::Status fetch(const Digest& object, const ByteRange& range, std::stop_token stop,
                             const OnBytes& on_bytes) = 0;
  /// The same for somebody who wants the bytes that badly; a source that treats everybody alike needn't care.
  virtual absl::Status fetch_for(FetchClass urgency, const Digest& object, const ByteRange& range, std::stop_token stop,
                                 const OnBytes& on_bytes) {
    (void)urgency;
    return fetch(object, range, std::move(stop), on_bytes);
  }
  /// Is it only asked in place of others, which are asked too when its bytes are wrong?
  virtual bool stands_in() const { return false; }
  /// What `on_bytes` was given at `offset` of the object had another digest; said while its fetch() is under way.
  virtual void gave_wrong_bytes(const Digest& object, std::uint64_t offset) {
    (void)object;
    (void)offset;
  }
};

}  // namespace samara::peer
