#include "fuse_fs/local_reader.h"

#include <array>
#include <deque>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "cache_index/frame.h"
#include "chunk_lru.h"

namespace samara::fuse_fs {

/// Chunks that are wanted wait in one of two queues. Each time one is put in, the pool gets a task that takes the most
/// urgent one out; a chunk that was put in twice, because it became urgent, is simply gone at the second time.
class LocalReader::Impl {
 public:
  explicit Impl(const Options& options) : memory_(options.memory_bytes), pool_("local-reader", options.threads) {}

  void add_blob(const Digest& blob, Fd file) {
    const std::lock_guard lock(mutex_);
    blobs_.insert_or_assign(blob, std::make_shared<Fd>(std::move(file)));
  }

  /// `done` is empty for a prefetch.
  void want(const peer::LayerIndex& layer, std::uint32_t position, bool urgent, Done done) {
    const auto chunk = layer->chunk(position);
    if (!chunk.ok()) {
      const bool beyond = absl::IsNotFound(chunk.status());
      if (done) done(beyond ? absl::OutOfRangeError(chunk.status().message()) : chunk.status());
      return;
    }
    peer::ChunkBytes bytes;
    {
      const std::lock_guard lock(mutex_);
      bytes = memory_.find(chunk->digest);
      if (bytes == nullptr) enqueue(layer->info().blob, *chunk, urgent, std::move(done));
    }
    if (bytes != nullptr && done) done(std::move(bytes));
  }

 private:
  struct Job {
    Digest blob;
    cache_index::Chunk chunk;
    std::vector<Done> waiting;
    bool urgent = false;
    bool running = false;
  };
  enum Queue { kUrgent, kLater, kQueues };

  void enqueue(const Digest& blob, const cache_index::Chunk& chunk, bool urgent, Done done) {
    const auto [at, is_new] = jobs_.try_emplace(chunk.digest);
    Job& job = at->second;
    if (is_new) {
      job.blob = blob;
      job.chunk = chunk;
    }
    if (done) job.waiting.push_back(std::move(done));
    if (!is_new && (job.running || job.urgent || !urgent)) return;
    job.urgent = urgent;
    queues_[urgent ? kUrgent : kLater].push_back(chunk.digest);
    pool_.run([this] { run_next(); });
  }

  void run_next() {
    std::unique_lock lock(mutex_);
    const std::optional<Digest> next = take();
    if (!next) return;
    Job& job = jobs_.at(*next);  // nobody else removes it while it runs
    const auto blob = blobs_.find(job.blob);
    const std::shared_ptr<Fd> file = blob == blobs_.end() ? nullptr : blob->second;
    lock.unlock();

    absl::StatusOr<peer::ChunkBytes> bytes = decode(job.chunk, job.blob, file.get());

    lock.lock();
    const std::vector<Done> waiting = std::move(jobs_.at(*next).waiting);
    jobs_.erase(*next);
    if (bytes.ok()) memory_.add(*next, *bytes);
    lock.unlock();
    for (const Done& done : waiting) done(bytes);
  }

  /// The most urgent chunk that nobody has taken yet.
  std::optional<Digest> take() {
    for (std::deque<Digest>& queue : queues_) {
      while (!queue.empty()) {
        const Digest chunk = queue.front();
        queue.pop_front();
        const auto job = jobs_.find(chunk);
        if (job == jobs_.end() || job->second.running) continue;
        job->second.running = true;
        return chunk;
      }
    }
    return std::nullopt;
  }

  static absl::StatusOr<peer::ChunkBytes> decode(const cache_index::Chunk& chunk, const Digest& blob, const Fd* file) {
    if (file == nullptr) return absl::NotFoundError(str_cat("no file for blob ", blob.to_string()));
    if (chunk.blob_size > 2 * cache_index::kMaxChunkBytes) return absl::DataLossError("a frame can't be that large");
    std::vector<std::uint8_t> frame(chunk.blob_size);
    const absl::Status read = pread_all(file->get(), frame, chunk.blob_offset);
    if (absl::IsOutOfRange(read)) return absl::DataLossError(str_cat("blob ", blob.brief(), " is cut short"));
    SAMARA_RETURN_IF_ERROR(read);
    SAMARA_ASSIGN_OR_RETURN(std::string bytes, cache_index::open_frame(chunk, frame));
    return std::make_shared<const std::string>(std::move(bytes));
  }

  std::mutex mutex_;
  std::unordered_map<Digest, std::shared_ptr<Fd>> blobs_;
  std::unordered_map<Digest, Job> jobs_;
  std::array<std::deque<Digest>, kQueues> queues_;
  ChunkLru memory_;
  ThreadPool pool_;  // last: its threads use everything above
};

LocalReader::LocalReader(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
LocalReader::~LocalReader() = default;

void LocalReader::add_blob(const Digest& blob, Fd file) { impl_->add_blob(blob, std::move(file)); }

void LocalReader::read(const peer::LayerIndex& layer, std::uint32_t chunk, peer::FetchClass urgency, Done done) {
  impl_->want(layer, chunk, urgency == peer::FetchClass::kBlocking, std::move(done));
}

void LocalReader::prefetch(const peer::LayerIndex& layer, std::uint32_t first, std::uint32_t count, peer::FetchClass) {
  for (std::uint32_t i = 0; i < count; ++i) impl_->want(layer, first + i, false, nullptr);
}

}  // namespace samara::fuse_fs
