#include "peer/neighbour_source.h"

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/text.h"
#include "object_answer.h"
#include "peer/site_protocol.h"

namespace samara::peer {
namespace {

using std::chrono::steady_clock;
constexpr std::chrono::seconds kSlowStart{1};

/// What `bytes` that came since `begin` say of whoever sends them.
absl::Status check_pace(std::uint64_t bytes, steady_clock::time_point begin) {
  const std::chrono::duration<double> late = steady_clock::now() - begin - kSlowStart;
  if (static_cast<double>(bytes) >= late.count() * static_cast<double>(NeighbourSource::kLeastBytesPerSecond)) return absl::OkStatus();
  return absl::DeadlineExceededError("the neighbour is too slow");
}

}  // namespace

absl::Status NeighbourSource::fetch(const Digest& object, const ByteRange& range, std::stop_token stop,
                                    const OnBytes& on_bytes) {
  const bool owners = who_ == Who::kOwners;
  const Neighbours::Plan plan =
      owners ? neighbours_.whom_to_ask(object, range.begin) : neighbours_.anybody(object, range.begin);
  absl::Status status = absl::NotFoundError(str_cat("no neighbour is to bring ", object.brief()));
  ByteRange rest = range;
  for (std::size_t i = 0; i < std::min(plan.urls.size(), owners ? kMostOwnersAsked : kMostOthersAsked); ++i) {
    absl::Status receiver;
    status = fetch_from(plan.urls[i], plan.ticket, object, rest, stop, [&](std::span<const std::uint8_t> bytes) {
      receiver = on_bytes(bytes);
      if (receiver.ok()) rest.begin += bytes.size();
      return receiver;
    });
    if (!receiver.ok() || absl::IsCancelled(status)) return status;
    if (rest.empty()) return absl::OkStatus();
  }
  return status;
}

absl::Status NeighbourSource::fetch_from(const std::string& url, const std::string& ticket, const Digest& object,
                                         ByteRange range, std::stop_token stop, const OnBytes& on_bytes) {
  http::ClientRequest request = neighbours_.request_for(str_cat(url, kObjectsPath, object.to_string()));
  request.headers.set(kTicketHeader, ticket);
  request.range = range;
  request.stop = std::move(stop);

  std::unique_lock lock(mutex_);
  const auto transfer = transfers_.insert(transfers_.end(), {object, range, url});
  lock.unlock();
  const steady_clock::time_point begin = steady_clock::now();
  std::uint64_t left = range.size();
  int answer = 0;
  absl::Status status = client_.stream(
      request,
      [&](const http::ResponseHead& head) {
        answer = head.status;
        return check_head(head, request.url, range);
      },
      [&](std::span<const std::uint8_t> bytes) -> absl::Status {
        if (bytes.size() > left) return absl::DataLossError(str_cat("GET ", request.url, ": more bytes than asked for"));
        left -= bytes.size();
        const absl::Status taken = on_bytes(bytes);
        if (!taken.ok()) return taken;
        if (has_lied(*transfer)) return absl::DataLossError(str_cat("GET ", request.url, ": wrong bytes"));
        return left == 0 ? absl::OkStatus() : check_pace(range.size() - left, begin);
      });
  if (left == 0) status = absl::OkStatus();  // all has come, whatever ended it

  lock.lock();
  const bool lied = transfer->lied || absl::IsDataLoss(status);
  transfers_.erase(transfer);
  lock.unlock();
  if (lied) {
    log::warning("a neighbour gave wrong bytes and is left alone", {{"url", url}, {"blob", object.to_string()}});
    neighbours_.lied(url);
    return absl::UnavailableError(str_cat("GET ", request.url, ": wrong bytes"));
  }
  if (status.ok()) {
    neighbours_.answered(url);
  } else if ((answer == 0 || absl::IsDeadlineExceeded(status)) && !absl::IsCancelled(status)) {
    log::debug("a neighbour doesn't answer", {{"url", url}, {"error", status}});
    neighbours_.failed(url);
  }
  return status;
}

bool NeighbourSource::has_lied(const Transfer& transfer) {
  const std::lock_guard lock(mutex_);
  return transfer.lied;
}

void NeighbourSource::gave_wrong_bytes(const Digest& object, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  for (Transfer& transfer : transfers_) {
    if (transfer.object == object && transfer.range.begin <= offset && offset < transfer.range.end) transfer.lied = true;
  }
}

}  // namespace samara::peer
