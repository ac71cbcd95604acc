#include "peer/site_client.h"

#include <algorithm>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "object_answer.h"

namespace samara::peer {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kConnectTimeout{3'000};
constexpr milliseconds kSilence{10'000};
/// What is known of starts helps at once or not at all.
constexpr milliseconds kTraceSilence{1'000};
constexpr std::uint64_t kMaxStatusBytes = 64u << 10;
/// A whole object's transfer ends after so many breaks, or so many in a row that brought nothing.
constexpr int kMostBreaks = 16, kMostFruitless = 2;

std::vector<std::string> without_slashes(std::vector<std::string> urls) {
  for (std::string& url : urls) {
    while (!url.empty() && url.back() == '/') url.pop_back();
  }
  return urls;
}

std::string object_url(const std::string& site, const Digest& object) {
  return str_cat(site, kObjectsPath, object.to_string());
}

std::string layer_url(const std::string& site, const SiteClient::LayerQuery& query) {
  return str_cat(site, kLayersPath, query.layer.to_string(), "?ns=", http::percent_encode(query.registry),
                 "&repo=", http::percent_encode(query.repository), "&wait=", query.wait.count(), "&size=", query.size);
}

bool may_get_better(const absl::Status& status) { return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status); }

}  // namespace

SiteClient::SiteClient(http::Client& client, std::vector<std::string> urls, SiteAccess access)
    : client_(client), urls_(without_slashes(std::move(urls))), access_(std::move(access)) {}

http::ClientRequest SiteClient::request_for(const std::string& url, const std::stop_token& stop) const {
  http::ClientRequest request;
  request.url = url;
  request.connect_timeout = kConnectTimeout;
  request.idle_timeout = kSilence;
  request.stop = stop;
  access_.apply(request);
  return request;
}

absl::Status SiteClient::try_urls(const std::function<Outcome(const std::string& url)>& attempt) {
  absl::Status error = absl::UnavailableError("no site is configured");
  const std::size_t first = preferred_;
  for (std::size_t i = 0; i < urls_.size(); ++i) {
    const std::size_t url = (first + i) % urls_.size();
    Outcome outcome = attempt(urls_[url]);
    if (outcome.status.ok()) preferred_ = url;
    if (outcome.status.ok() || outcome.final || absl::IsCancelled(outcome.status)) return outcome.status;
    // "Hasn't got it" says less than "couldn't be asked".
    if (i == 0 || !absl::IsNotFound(outcome.status)) error = std::move(outcome.status);
  }
  return error;
}

absl::StatusOr<LayerStatus> SiteClient::layer_status(const LayerQuery& query, std::stop_token stop) {
  LayerStatus found;
  SAMARA_RETURN_IF_ERROR(try_urls([&](const std::string& site) { return status_of(site, query, stop, found); }));
  if (found.state == LayerStatus::State::kConverted && origins_ != nullptr)
    origins_->note(found.record, query.registry, query.repository);
  return found;
}

SiteClient::Outcome SiteClient::status_of(const std::string& site, const LayerQuery& query, const std::stop_token& stop,
                                          LayerStatus& found) {
  const std::string url = layer_url(site, query);
  http::ClientRequest request = request_for(url, stop);
  request.idle_timeout += query.wait;
  const absl::StatusOr<http::Response> response = client_.get(request, kMaxStatusBytes);
  if (!response.ok()) return {response.status()};
  if (response->head.status >= 500 || is_denied(response->head.status)) return {refusal(url, response->head.status)};
  if (response->head.status != 200) {
    return {absl::InvalidArgumentError(str_cat("GET ", url, ": HTTP ", response->head.status))};
  }
  absl::StatusOr<LayerStatus> status = decode_layer_status(response->body);
  if (!status.ok()) return {annotate(status.status(), str_cat("GET ", url))};
  if (status->state == LayerStatus::State::kConverted && status->record.layer != query.layer) {
    return {absl::InvalidArgumentError(str_cat("GET ", url, ": the record of another layer"))};
  }
  found = *std::move(status);
  return {absl::OkStatus()};
}

absl::StatusOr<StartTrace> SiteClient::start_trace(const Digest& chain, std::stop_token stop) {
  StartTrace found;
  SAMARA_RETURN_IF_ERROR(try_urls([&](const std::string& site) -> Outcome {
    const std::string url = str_cat(site, kTracesPath, chain.to_string());
    http::ClientRequest request = request_for(url, stop);
    request.idle_timeout = kTraceSilence;
    const absl::StatusOr<http::Response> response = client_.get(request, kMaxTraceBytes);
    if (!response.ok()) return {response.status()};
    if (response->head.status != 200) return {refusal(url, response->head.status)};
    absl::StatusOr<StartTrace> trace = decode_start_trace(response->body);
    if (!trace.ok()) return {annotate(trace.status(), str_cat("GET ", url))};
    found = *std::move(trace);
    return {absl::OkStatus()};
  }));
  return found;
}

absl::Status SiteClient::report_start(const StartTrace& start, std::stop_token stop) {
  return try_urls([&](const std::string& site) -> Outcome {
    const std::string url = str_cat(site, kTracesPath, chain_id(start.layers).to_string());
    http::ClientRequest request = request_for(url + to_query(start), stop);
    request.method = "POST";
    request.idle_timeout = kTraceSilence;
    const absl::StatusOr<http::Response> response = client_.get(request, kMaxStatusBytes);
    if (!response.ok()) return {response.status()};
    const int status = response->head.status;
    if (status == 200) return {absl::OkStatus()};
    if (status == 400) return {absl::InvalidArgumentError(str_cat("POST ", url, ": ", response->body)), true};
    return {refusal(url, status)};
  });
}

absl::Status SiteClient::fetch(const Digest& object, const ByteRange& range, std::stop_token stop,
                               const OnBytes& on_bytes) {
  return fetch_for(FetchClass::kBlocking, object, range, std::move(stop), on_bytes);
}

absl::Status SiteClient::fetch_for(FetchClass urgency, const Digest& object, const ByteRange& range,
                                   std::stop_token stop, const OnBytes& on_bytes) {
  Transfer transfer{urgency, object, range, std::move(stop), on_bytes};
  const std::string* without = nullptr;  // the first site that hasn't got it
  const absl::Status status = try_urls([&](const std::string& site) {
    Outcome outcome = fetch_from(site, transfer);
    if (absl::IsNotFound(outcome.status) && !outcome.final && without == nullptr) without = &site;
    return outcome;
  });
  if (status.ok() || without == nullptr || origins_ == nullptr || transfer.stop.stop_requested()) return status;
  return fetch_made_anew(*without, transfer).status;
}

SiteClient::Outcome SiteClient::fetch_from(const std::string& site, Transfer& transfer) {
  const std::string url = object_url(site, transfer.object);
  http::ClientRequest request = request_for(url, transfer.stop);
  request.range = transfer.rest;
  if (transfer.urgency != FetchClass::kBlocking) request.headers.add(kClassHeader, to_string(transfer.urgency));
  if (has_neighbours_) request.headers.add(kOthersHeader, "neighbours");
  const ByteRange asked = transfer.rest;
  ByteRange& rest = transfer.rest;
  absl::Status receiver;
  const absl::Status status = client_.stream(
      request, [&](const http::ResponseHead& head) { return check_head(head, url, asked); },
      [&](std::span<const std::uint8_t> bytes) {
        if (bytes.size() > rest.size()) return absl::DataLossError(str_cat("GET ", url, ": more bytes than asked for"));
        receiver = transfer.on_bytes(bytes);
        if (receiver.ok()) rest.begin += bytes.size();
        return receiver;
      });
  if (!receiver.ok()) return {receiver, true};
  if (status.ok() && !rest.empty()) return {absl::UnavailableError(str_cat("GET ", url, ": ", rest.size(), " bytes short"))};
  if (rest.empty()) return {absl::OkStatus()};  // all has come, whatever ended it
  return {status};
}

/// Asked for the layer, the site begins to convert it, or to have it from elsewhere.
SiteClient::Outcome SiteClient::fetch_made_anew(const std::string& site, Transfer& transfer) {
  const std::string what = str_cat(transfer.object.brief(), " at ", site);
  const std::optional<LayerOrigins::Origin> origin = origins_->of(transfer.object);
  if (!origin) return {absl::NotFoundError(str_cat("there is no ", what, ", and nothing is known of its layer"))};
  {
    const std::lock_guard lock(mutex_);
    if (!asking_.insert(origin->layer).second) return {absl::UnavailableError(str_cat(what, " is being asked for"))};
  }
  LayerStatus status;
  Outcome asked = status_of(site, {.layer = origin->layer,
                                   .registry = origin->registry,
                                   .repository = origin->repository,
                                   .size = origin->size},
                            transfer.stop, status);
  {
    const std::lock_guard lock(mutex_);
    asking_.erase(origin->layer);
  }
  if (!asked.status.ok()) return asked;
  // It answers, which can't be said of all; one that has it all the same is asked after it.
  preferred_ = static_cast<std::size_t>(std::find(urls_.begin(), urls_.end(), site) - urls_.begin());
  switch (status.state) {
    case LayerStatus::State::kConverted:
      if (status.record.blob == transfer.object || status.record.index == transfer.object) return fetch_from(site, transfer);
      return {absl::NotFoundError(str_cat("the layer of ", what, " is another one there"))};
    case LayerStatus::State::kConverting:
      return {absl::UnavailableError(str_cat(what, " is being made"))};
    case LayerStatus::State::kFailed:
      return {absl::NotFoundError(str_cat("the layer of ", what, " can't be had: ", status.error))};
    case LayerStatus::State::kUnknown:
      break;
  }
  return {absl::NotFoundError(str_cat("there is no ", what))};
}

absl::Status SiteClient::fetch_object(const Digest& object, std::uint64_t size, cache_index::Cache& cache,
                                      std::stop_token stop) {
  if (cache.has_object(object)) return absl::OkStatus();
  absl::Status status = absl::UnavailableError("no site is configured");
  for (std::size_t i = 0; i < urls_.size(); ++i) {
    status = fetch_whole(object, size, cache, stop);
    if (!absl::IsDataLoss(status)) return status;
    const std::size_t wrong = preferred_;
    log::warning("a site gave wrong bytes", {{"url", urls_[wrong]}, {"object", object.to_string()}, {"error", status}});
    preferred_ = (wrong + 1) % urls_.size();
  }
  return status;
}

absl::Status SiteClient::fetch_whole(const Digest& object, std::uint64_t size, cache_index::Cache& cache,
                                     std::stop_token stop) {
  SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<cache_index::ObjectWriter> writer, cache.create_object(object));
  int breaks = 0, fruitless = 0;
  while (writer->size() < size) {
    const std::uint64_t before = writer->size();
    const absl::Status status = fetch(object, {before, size}, stop, [&](std::span<const std::uint8_t> bytes) {
      return writer->append(bytes);
    });
    if (status.ok()) break;
    fruitless = writer->size() > before ? 0 : fruitless + 1;
    if (!may_get_better(status) || fruitless == kMostFruitless || ++breaks == kMostBreaks) return status;
  }
  return writer->commit();
}

}  // namespace samara::peer
