#include "registry_proxy/blobs.h"

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "blob_streams.h"
#include "resumes.h"
#include "upstream_metrics.h"

namespace samara::registry_proxy {
namespace {

Upstream::Request request_for(const BlobRef& blob) {
  Upstream::Request request;
  request.repository = blob.repository.name;
  request.reference = blob.digest.to_string();
  request.as = blob.as;
  return request;
}

}  // namespace

Blobs::Blobs(cache_index::Cache& cache, Upstreams& upstreams, References& references, const Clock& clock,
             Metrics& metrics, const Options& options)
    : cache_(cache),
      upstreams_(upstreams),
      references_(references),
      clock_(clock),
      options_(options),
      active_(metrics.gauge("samara_site_fills", "Blobs being downloaded.")),
      joined_(UpstreamMetrics::joined(metrics, "blob")) {}

Blobs::~Blobs() { stop(); }

void Blobs::stop() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (auto& [digest, running] : fills_) {
      running.fill->cancel();
      threads.push_back(std::move(running.thread));
    }
    std::move(finished_.begin(), finished_.end(), std::back_inserter(threads));
    finished_.clear();
  }
  stopped_.notify_all();
  for (std::thread& thread : threads)
    if (thread.joinable()) thread.join();
}

Blobs::Opened Blobs::join(const Running& running) {
  joined_.add();
  return FillReader(running.fill);
}

std::optional<Blobs::Opened> Blobs::find(const Digest& digest) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = fills_.find(digest); it != fills_.end()) return join(it->second);
  }
  auto object = cache_.open_object(digest);  // a fill leaves the map only after its object is there
  if (!object.ok()) return std::nullopt;
  return Opened(std::move(*object));
}

absl::StatusOr<Blobs::Opened> Blobs::open(const BlobRef& blob) {
  if (auto found = find(blob.digest)) return std::move(*found);
  SAMARA_ASSIGN_OR_RETURN(Upstream* const upstream, upstreams_.find(blob.repository.registry));
  std::vector<std::thread> finished = take_finished();
  for (std::thread& thread : finished)
    if (thread.joinable()) thread.join();

  // Under the lock a blob is on its way, in the cache, or nowhere; then exactly one caller starts its fill.
  const std::lock_guard lock(mutex_);
  if (stopping_) return absl::CancelledError("stopping");
  if (const auto it = fills_.find(blob.digest); it != fills_.end()) return join(it->second);
  if (auto object = cache_.open_object(blob.digest); object.ok()) return Opened(std::move(*object));
  if (fills_.size() >= options_.max_fills) return absl::ResourceExhaustedError("too many blobs are being downloaded");
  SAMARA_ASSIGN_OR_RETURN(auto writer, cache_.create_object(blob.digest));
  SAMARA_ASSIGN_OR_RETURN(std::shared_ptr<Fill> fill, Fill::create(blob, *upstream, std::move(writer), clock_,
                                                                   fill_options()));
  try {
    fills_[blob.digest] = Running{fill, std::thread([this, fill] { run_fill(fill); })};
  } catch (const std::system_error& e) {
    fills_.erase(blob.digest);
    return absl::ResourceExhaustedError(str_cat("can't start a download: ", e.what()));
  }
  return Opened(FillReader(fill));
}

// What could never fit isn't begun: room would be made for it until nothing else is left.
FillOptions Blobs::fill_options() const {
  FillOptions options = options_.fill;
  const auto usage = cache_.usage();
  if (usage.ok() && usage->limit > 0)
    options.max_size = std::min(options.max_size, usage->limit - std::min(usage->limit, usage->pinned_bytes));
  return options;
}

void Blobs::run_fill(const std::shared_ptr<Fill>& fill) {
  active_.add(1);
  const absl::Status status = fill->run();
  if (status.ok()) note_given(fill->blob());
  active_.add(-1);
  if (!status.ok() && !absl::IsCancelled(status))
    log::warning("a blob can't be fetched",
                 {{"blob", fill->blob().digest.to_string()}, {"repository", fill->blob().repository.to_string()}, {"error", status}});
  {
    const std::lock_guard lock(mutex_);
    const auto it = fills_.find(fill->blob().digest);
    finished_.push_back(std::move(it->second.thread));
    fills_.erase(it);
  }
  fill->finish(status);
}

void Blobs::note_given(const BlobRef& blob) {
  const absl::Status noted = references_.note_given(blob.repository, blob.digest);
  if (!noted.ok()) log::warning("a blob's repository can't be remembered", {{"error", noted}});  // asked again
}

absl::Status Blobs::check_reachable(const BlobRef& blob) {
  if (references_.reachable(blob.repository, blob.digest)) return absl::OkStatus();
  SAMARA_ASSIGN_OR_RETURN(Upstream* const upstream, upstreams_.find(blob.repository.registry));
  SAMARA_RETURN_IF_ERROR(upstream->ask_whether(request_for(blob)));
  note_given(blob);
  return absl::OkStatus();
}

std::vector<std::thread> Blobs::take_finished() {
  const std::lock_guard lock(mutex_);
  return std::exchange(finished_, {});
}

absl::StatusOr<std::unique_ptr<ByteStream>> Blobs::stream(const BlobRef& blob, std::stop_token stop) {
  SAMARA_ASSIGN_OR_RETURN(Opened opened, open(blob));
  std::unique_ptr<ByteStream> stream;
  if (auto* object = std::get_if<cache_index::ObjectFile>(&opened)) {
    stream = std::make_unique<ObjectStream>(std::move(*object), stop);
  } else {
    stream = std::make_unique<FillStream>(std::move(std::get<FillReader>(opened)), stop);
  }
  return stream;
}

absl::StatusOr<std::string> Blobs::read(const BlobRef& blob, std::uint64_t limit, std::stop_token stop) {
  if (blob.size.value_or(0) > limit)
    return absl::ResourceExhaustedError(str_cat(blob.digest.to_string(), " has ", *blob.size, " bytes"));
  SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<ByteStream> input, stream(blob, stop));
  std::string content;
  std::array<std::uint8_t, 32768> piece;
  while (true) {
    SAMARA_ASSIGN_OR_RETURN(const std::size_t n, input->read(piece));
    if (n == 0) return content;
    if (n > limit - content.size())
      return absl::ResourceExhaustedError(str_cat(blob.digest.to_string(), " has more than ", limit, " bytes"));
    content.append(reinterpret_cast<const char*>(piece.data()), n);
  }
}

absl::StatusOr<std::uint64_t> Blobs::ask_size(const BlobRef& blob) {
  SAMARA_ASSIGN_OR_RETURN(Upstream* const upstream, upstreams_.find(blob.repository.registry));
  Upstream::Request request = request_for(blob);
  request.head = true;
  std::uint64_t size = 0;
  bool known = false;
  SAMARA_RETURN_IF_ERROR(upstream->fetch(
      request,
      [&](const http::ResponseHead& head) {
        known = absl::SimpleAtoi(to_absl(head.headers.get("Content-Length")), &size);
        return absl::OkStatus();
      },
      [](std::span<const std::uint8_t>) { return absl::OkStatus(); }));
  if (!known) return absl::UnimplementedError("the registry doesn't tell the blob's size");
  return size;
}

bool Blobs::wait_unless_stopping(std::chrono::milliseconds pause) {
  std::unique_lock lock(mutex_);
  return !stopped_.wait_for(lock, pause, [this] { return stopping_; });
}

absl::Status Blobs::fetch_range(const BlobRef& blob, const ByteRange& range, std::uint64_t total,
                                const http::Client::OnBody& on_body) {
  Resumes resumes(options_.fill, range.begin);
  ByteRange rest = range;
  bool taken = true;  // or did whoever wants the bytes fail?
  const auto give = [&](std::span<const std::uint8_t> data) {
    const absl::Status status = on_body(data);
    taken = status.ok();
    return status;
  };
  while (true) {
    const absl::Status status = fetch_part(blob, rest, total, give);
    if (status.ok() || !taken) return status;
    const auto pause = resumes.pause_after(status, rest.begin);
    if (!pause || !wait_unless_stopping(*pause)) return status;
    log::info("resuming a part of a blob", {{"blob", blob.digest.brief()}, {"at", rest.begin}, {"error", status}});
  }
}

// One request for the rest, which begins later afterwards.
absl::Status Blobs::fetch_part(const BlobRef& blob, ByteRange& rest, std::uint64_t total,
                               const http::Client::OnBody& on_body) {
  SAMARA_ASSIGN_OR_RETURN(Upstream* const upstream, upstreams_.find(blob.repository.registry));
  Upstream::Request request = request_for(blob);
  const ByteRange range = rest;
  request.range = range;
  const auto wrong = [] { return absl::DataLossError("the registry answered another range than the one asked for"); };
  std::uint64_t skip = 0;
  bool whole = false;  // the registry ignores ranges
  const absl::Status status = upstream->fetch(
      request,
      [&](const http::ResponseHead& head) {
        if (head.status == 200) {
          skip = range.begin;
          whole = true;
          return absl::OkStatus();
        }
        const auto part = parse_content_range(head.headers.get("Content-Range"));
        return part.ok() && part->range == range && part->total == total ? absl::OkStatus() : wrong();
      },
      [&](std::span<const std::uint8_t> data) {
        const std::uint64_t dropped = std::min<std::uint64_t>(skip, data.size());
        skip -= dropped;
        data = data.subspan(dropped);
        data = data.first(std::min<std::uint64_t>(rest.size(), data.size()));
        if (!data.empty()) SAMARA_RETURN_IF_ERROR(on_body(data));
        rest.begin += data.size();
        return whole && rest.empty() ? absl::AbortedError("enough") : absl::OkStatus();
      });
  if (rest.empty()) return absl::OkStatus();
  return status.ok() ? wrong() : status;
}

}  // namespace samara::registry_proxy
