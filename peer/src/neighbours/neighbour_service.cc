#include "peer/neighbour_service.h"

#include <algorithm>
#include <condition_variable>
#include <optional>

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

/// Frames that are on their way, in order. Shared with the replies, which may come after nobody waits any more.
class Arrivals {
 public:
  explicit Arrivals(std::size_t count) : frames_(count) {}

  void came(std::size_t i, absl::StatusOr<ChunkBytes> frame) {
    const std::lock_guard lock(mutex_);
    frames_[i] = std::move(frame);
    changed_.notify_all();
  }
  absl::StatusOr<ChunkBytes> wait(std::size_t i, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, patience, [&] { return frames_[i].has_value(); })) return *frames_[i];
    return absl::DeadlineExceededError("it takes too long to come");
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::optional<absl::StatusOr<ChunkBytes>>> frames_;
};

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
  const std::uint64_t size = file.ok() ? file->size : frames->layer->info().blob_size;
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

void NeighbourService::give_frames(const Frames& frames, const Digest& blob, const ByteRange& range,
                                   http::ResponseWriter& out) {
  const auto& positions = frames.positions;
  auto it = std::lower_bound(positions.begin(), positions.end(), std::pair(range.begin, std::uint32_t{0}));
  const bool ours = neighbours_.is_ours(blob, range.begin);
  std::vector<std::uint32_t> wanted;
  std::uint64_t end = range.begin;
  for (; it != positions.end() && it->first == end && end < range.end; ++it) {
    const absl::StatusOr<cache_index::Chunk> chunk = frames.layer->chunk(it->second);
    if (!chunk.ok()) return refuse(out, 404, "not here");
    if (!ours && !cache_.has_chunk(chunk->digest)) return refuse(out, 404, "not here, and not ours to bring");
    wanted.push_back(it->second);
    end = chunk->blob_range().end;
  }
  if (end != range.end) return refuse(out, 416, "not a range of whole frames");

  const auto arrivals = std::make_shared<Arrivals>(wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    fetcher_.read_frame(frames.layer, wanted[i], [arrivals, i](auto frame) { arrivals->came(i, std::move(frame)); });
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const absl::StatusOr<ChunkBytes> frame = arrivals->wait(i, options_.patience);
    if (!frame.ok()) {  // begun, it ends short, and the other node asks the site for the rest
      if (!out.started()) refuse(out, 503, to_std(frame.status().message()));
      return;
    }
    if (!out.started() && (!begin(out, range, frames.layer->info().blob_size).ok() || out.is_head())) return;
    if (!out.write(as_bytes(**frame)).ok()) return;
    sent_.add(static_cast<double>((*frame)->size()));
  }
}

NeighbourService::FramesPtr NeighbourService::frames_of(const Digest& blob) {
  {
    const std::lock_guard lock(mutex_);
    const auto it = std::find_if(known_.begin(), known_.end(), [&](const auto& entry) { return entry.first == blob; });
    if (it != known_.end()) return it->second;
  }
  auto frames = std::make_shared<Frames>();
  frames->layer = find_layer_(blob);
  if (frames->layer == nullptr) return nullptr;
  for (std::uint32_t i = 0; i < frames->layer->info().chunk_count; ++i) {
    const absl::StatusOr<cache_index::Chunk> chunk = frames->layer->chunk(i);
    if (!chunk.ok()) return nullptr;
    frames->positions.emplace_back(chunk->blob_offset, i);
  }
  std::sort(frames->positions.begin(), frames->positions.end());
  const auto same_frame = [](const auto& a, const auto& b) { return a.first == b.first; };
  frames->positions.erase(std::unique(frames->positions.begin(), frames->positions.end(), same_frame),
                          frames->positions.end());
  const std::lock_guard lock(mutex_);
  known_.emplace_front(blob, frames);
  if (known_.size() > kKnownBlobs) known_.pop_back();
  return frames;
}

}  // namespace samara::peer
