#pragma once

#include "peer/link.h"
#include "peer/site_client.h"

namespace samara::peer {

/// Another site as a source of ranges, over a link that has budgets and a ledger.
/// Threads: any.
class LinkSource final : public RangeSource {
 public:
  /// Both are borrowed.
  LinkSource(SiteClient& site, Link& link) : site_(site), link_(link) {}

  std::string_view name() const override { return link_.options().name; }
  /// Errors: those of SiteClient::fetch(), ResourceExhausted (the day's budget).
  absl::Status fetch(const Digest& object, const ByteRange& range, std::stop_token stop,
                     const OnBytes& on_bytes) override;
  absl::Status fetch_for(FetchClass urgency, const Digest& object, const ByteRange& range, std::stop_token stop,
                         const OnBytes& on_bytes) override;
  /// A whole small object that isn't a blob.
  absl::Status fetch_as(Traffic traffic, const Digest& object, const ByteRange& range, std::stop_token stop,
                        const OnBytes& on_bytes);

 private:
  SiteClient& site_;
  Link& link_;
};

}  // namespace samara::peer
