#include "peer/link_source.h"

#include "base/status.h"

namespace samara::peer {

absl::Status LinkSource::fetch(const Digest& object, const ByteRange& range, std::stop_token stop,
                               const OnBytes& on_bytes) {
  return fetch_as(Traffic::kBlocking, object, range, std::move(stop), on_bytes);
}

absl::Status LinkSource::fetch_for(FetchClass urgency, const Digest& object, const ByteRange& range,
                                   std::stop_token stop, const OnBytes& on_bytes) {
  return fetch_as(traffic_of(urgency), object, range, std::move(stop), on_bytes);
}

absl::Status LinkSource::fetch_as(Traffic traffic, const Digest& object, const ByteRange& range, std::stop_token stop,
                                  const OnBytes& on_bytes) {
  SAMARA_RETURN_IF_ERROR(link_.begin(traffic, range.size()));
  Link::Transfer transfer(link_, traffic, traffic == Traffic::kBackground ? range.size() : 0);
  const FetchClass urgency = traffic <= Traffic::kBackground ? static_cast<FetchClass>(traffic) : FetchClass::kBlocking;
  absl::Status receiver;
  const absl::Status status = site_.fetch_for(urgency, object, range, stop, [&](std::span<const std::uint8_t> bytes) {
    transfer.came(bytes.size());
    receiver = on_bytes(bytes);
    return receiver.ok() ? transfer.wait(stop) : receiver;
  });
  if (receiver.ok() && !absl::IsCancelled(status)) link_.note(status);
  return status;
}

}  // namespace samara::peer
