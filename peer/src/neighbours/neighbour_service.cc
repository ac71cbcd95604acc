#include "peer/neighbour_service.h"

#include <algorithm>

#include "base/text.h"
#include "peer/site_protocol.h"

namespace samara::peer {
namespace {

constexpr std::size_t kKnownBlobs = 64;
constexpr std::uint64_t kMostBytes = 16u << 20;  // of one request; nodes ask for a quarter of that at most

/// A client that left needs no answer.
void refuse(http::ResponseWriter& out, int status, std::string_view why) {
  (void)out.respond(status, str_cat(why, "\n"), "text/plain");
}

absl::Status begin(http::ResponseWriter& out, const ByteRange& range, std::uint64_t size) {
  out.header("Content-Type", "application/octet-stream");
  out.header("Content-Range", str_cat("bytes ", range.begin, "-", range.end - 1, "/", size));
  return out.begin(206, range.size());
}

}  // namespace

NeighbourService::NeighbourService(cache_index::Cache& cache, ChunkFetcher& fetcher, Neighbours& neighbours,
                                   FindLayer find_layer, Metrics& metrics, const Options& options)
    : cache_(cache),
      fetcher_(fetcher),
      neighbours_(neighbours),
      find_layer_(std::move(find_layer)),
      options_(options),
      sent_(metrics.counter("samara_neighbour_sent_bytes_total", "Bytes of blobs given to other nodes over HTTP")),
      refused_(metrics.counter("samara_neighbour_refused_total", "Requests of other nodes without a good ticket")) {}

void NeighbourService::handle(const http::Request& request, http::ResponseWriter& out) {
  if (requests_.fetch_add(1) < options_.max_requests) {
    answer(request, out);
  } else {
    refuse(out, 503, "enough to do");
  }
  requests_.fetch_sub(1);
}

void NeighbourService::answer(const http::Request& request, http::ResponseWriter& out) {
  const std::string_view path = request.target.path;
  if (!path.starts_with(kObjectsPath)) return refuse(out, 404, "a node gives ranges of blobs, nothing else");
  if (request.method != "GET" && request.method != "HEAD") {
    out.header("Allow", "GET, HEAD");
    return refuse(out, 405, "only GET and HEAD");
  }
  const absl::StatusOr<Digest> blob = Digest::parse(path.substr(kObjectsPath.size()));
  if (!blob.ok()) return refuse(out, 400, to_std(blob.status().message()));
  absl::Status admitted = neighbours_.admit(request.headers.get(kTicketHeader), *blob, http::host_of_peer(request.peer));
  if (options_.certificates && !request.identity) admitted = absl::PermissionDeniedError("no certificate");
  if (!admitted.ok()) {
    refused_.add();
    return refuse(out, 403, to_std(admitted.message()));
  }

  const absl::StatusOr<cache_index::ObjectFile> file = cache_.open_object(*blob);
  const FramesPtr frames = file.ok() ? nullptr : frames_of(*blob);
  if (!file.ok() && frames == nullptr) return refuse(out, 404, "not here");
  const std::uint64_t size = file.ok() ? file->size : frames->blob_size();
  const absl::StatusOr<ByteRange> range = parse_range(request.headers.get("Range"), size);
  if (absl::IsOutOfRange(range.status())) return refuse(out, 416, "behind the end");
  if (!range.ok() || range->size() > kMostBytes) return refuse(out, 400, "a range of at most 16 MiB, please");
  if (file.ok()) return give_from_file(*file, *range, out);
  give_frames(*frames, *blob, *range, out);
}

void NeighbourService::give_from_file(const cache_index::ObjectFile& file, const ByteRange& range,
                                      http::ResponseWriter& out) {
  if (!begin(out, range, file.size).ok() || out.is_head()) return;
  if (out.write_file(file.fd.get(), range.begin, range.size()).ok()) sent_.add(static_cast<double>(range.size()));
}

void NeighbourService::give_frames(const BlobFrames& frames, const Digest& blob, const ByteRange& range,
                                   http::ResponseWriter& out) {
  const absl::StatusOr<BlobFrames::Span> span = frames.holding(range);
  if (!span.ok() || span->bytes != range) return refuse(out, 416, "not a range of whole frames");
  const bool ours = neighbours_.is_ours(blob, range.begin);
  for (const std::uint32_t position : span->chunks) {
    const absl::StatusOr<cache_index::Chunk> chunk = frames.layer()->chunk(position);
    if (!chunk.ok()) return refuse(out, 404, "not here");
    if (!ours && !cache_.has_chunk(chunk->digest)) return refuse(out, 404, "not here, and not ours to bring");
  }
  const FrameGift gift{.urgency = FetchClass::kBlocking,
                       .patience = options_.patience,
                       .begin = [&] { return begin(out, range, frames.blob_size()); },
                       .given = [this](std::uint64_t bytes) { sent_.add(static_cast<double>(bytes)); }};
  const absl::Status given = give_range(fetcher_, frames, range, gift, out);
  // Begun, it ends short, and the other node asks the site for the rest.
  if (!given.ok() && !out.started()) refuse(out, 503, to_std(given.message()));
}

NeighbourService::FramesPtr NeighbourService::frames_of(const Digest& blob) {
  {
    const std::lock_guard lock(mutex_);
    const auto it = std::find_if(known_.begin(), known_.end(), [&](const auto& entry) { return entry.first == blob; });
    if (it != known_.end()) return it->second;
  }
  const LayerIndex layer = find_layer_(blob);
  if (layer == nullptr) return nullptr;
  const absl::StatusOr<FramesPtr> frames = BlobFrames::of(layer);
  if (!frames.ok()) return nullptr;
  const std::lock_guard lock(mutex_);
  known_.emplace_front(blob, *frames);
  if (known_.size() > kKnownBlobs) known_.pop_back();
  return *frames;
}

}  // namespace samara::peer
