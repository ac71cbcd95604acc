#pragma once

#include <chrono>
#include <string_view>

#include "base/http/server.h"
#include "conditions.h"
#include "range_answer.h"
#include "registry_proxy/blobs.h"
#include "registry_proxy/source.h"

namespace samara::registry_proxy {

/// Answers one request for a blob: from the cache, by following its download, or straight from upstream.
/// Threads: one.
class BlobAnswer {
 public:
  /// Everything is borrowed.
  BlobAnswer(Blobs& blobs, BlobRef blob, const http::Headers& request, std::uint64_t far_ahead,
             std::chrono::milliseconds patience, http::ResponseWriter& out)
      : blobs_(blobs),
        blob_(std::move(blob)),
        request_(request),
        range_header_(effective_range(request, blob_.digest)),
        far_ahead_(far_ahead),
        patience_(patience),
        out_(out) {}

  Source run();

 private:
  Source serve(Blobs::Opened opened);
  Source follow(FillReader fill);
  Source pass_through(const RangeAnswer& answer, std::uint64_t from, const Fill* before = nullptr);
  Source open_and_serve();
  Source without_keeping(const absl::StatusOr<std::uint64_t>& size);
  Source head();
  Source fail(const absl::Status& status);
  bool starts_far_ahead() const;
  bool may_do_better(const Fill& fill, const absl::Status& failure);
  absl::Status begin_once(const RangeAnswer& answer);

  Blobs& blobs_;
  const BlobRef blob_;
  const http::Headers& request_;
  const std::string_view range_header_;
  const std::uint64_t far_ahead_;
  const std::chrono::milliseconds patience_;
  http::ResponseWriter& out_;
  bool tried_again_ = false;
  Source followed_ = Source::kJoined;  // where the bytes of a download come from that we follow
};

}  // namespace samara::registry_proxy
