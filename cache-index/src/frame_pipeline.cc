#include "frame_pipeline.h"

#include <cstring>
#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "cache_index/hasher.h"
#include "frame_content.h"

namespace samara::cache_index {

struct FramePipeline::Job {
  enum class State { kQueued, kClaimed, kDone };
  FramedChunk chunk;          // of whoever claimed the job, then of the owner
  absl::Status status;        // the same
  State state = State::kQueued;  // under the workshop's mutex
};

/// What the threads that work on one pipeline share.
struct FramePipeline::Workshop {
  /// Tools for one chunk at a time; kept, because making a compressor costs more than using it.
  struct Bench {
    FrameCompressor compressor;
    std::vector<std::uint8_t> reopened;
  };

  bool claim(Job& job) {
    std::lock_guard lock(mutex);
    if (job.state != Job::State::kQueued) return false;
    job.state = Job::State::kClaimed;
    return true;
  }

  std::unique_ptr<Bench> borrow() {
    std::lock_guard lock(mutex);
    if (benches.empty()) return std::make_unique<Bench>();
    std::unique_ptr<Bench> bench = std::move(benches.back());
    benches.pop_back();
    return bench;
  }

  void done(Job& job, std::unique_ptr<Bench> bench) {
    {
      std::lock_guard lock(mutex);
      benches.push_back(std::move(bench));
      job.state = Job::State::kDone;
    }
    job_done.notify_all();
  }

  std::function<bool(const Digest&)> known;
  const KnownFrames* frames = nullptr;
  std::mutex mutex;
  std::condition_variable job_done;
  std::vector<std::unique_ptr<Bench>> benches;
};

namespace {

/// Whether the frame gives these bytes back.
bool gives_back(std::string_view frame, std::vector<std::uint8_t>& reopened, std::span<const std::uint8_t> bytes) {
  if (reopened.size() < bytes.size()) reopened.resize(bytes.size());
  const std::span out = std::span(reopened).first(bytes.size());
  return decompress_frame(as_bytes(frame), out).ok() && std::memcmp(out.data(), bytes.data(), bytes.size()) == 0;
}

}  // namespace

FramePipeline::FramePipeline(ThreadPool& pool, std::function<bool(const Digest&)> known, const KnownFrames* frames)
    : pool_(pool), shop_(std::make_shared<Workshop>()) {
  shop_->known = std::move(known);
  shop_->frames = frames;
}

FramePipeline::~FramePipeline() {
  for (const std::shared_ptr<Job>& job : jobs_) {
    if (shop_->claim(*job)) continue;  // the task will find it claimed
    std::unique_lock lock(shop_->mutex);
    shop_->job_done.wait(lock, [&] { return job->state == Job::State::kDone; });
  }
}

void FramePipeline::work(Job& job, Workshop& shop) {
  std::unique_ptr<Workshop::Bench> bench = shop.borrow();
  FramedChunk& chunk = job.chunk;
  chunk.digest = sha256(chunk.bytes);
  if (!shop.known(chunk.digest)) {
    std::optional<std::string> frame = shop.frames == nullptr ? std::nullopt : shop.frames->find(chunk.digest);
    if (!frame || !gives_back(*frame, bench->reopened, chunk.bytes)) {
      frame = bench->compressor.compress(chunk.bytes);
      if (!gives_back(*frame, bench->reopened, chunk.bytes)) {
        job.status = absl::InternalError("a chunk's frame doesn't give the chunk back");
      }
    }
    chunk.frame = *std::move(frame);
  }
  shop.done(job, std::move(bench));
}

void FramePipeline::submit(std::vector<std::uint8_t> bytes, std::uint64_t repeat) {
  auto job = std::make_shared<Job>();
  job->chunk.bytes = std::move(bytes);
  job->chunk.repeat = repeat;
  jobs_.push_back(job);
  pool_.run([job = std::move(job), shop = shop_] {
    if (shop->claim(*job)) work(*job, *shop);
  });
}

bool FramePipeline::ready() const {
  std::lock_guard lock(shop_->mutex);
  return !jobs_.empty() && jobs_.front()->state == Job::State::kDone;
}

absl::StatusOr<FramedChunk> FramePipeline::take() {
  const std::shared_ptr<Job> job = jobs_.front();
  jobs_.pop_front();
  if (shop_->claim(*job)) work(*job, *shop_);
  {
    std::unique_lock lock(shop_->mutex);
    shop_->job_done.wait(lock, [&] { return job->state == Job::State::kDone; });
  }
  SAMARA_RETURN_IF_ERROR(job->status);
  return std::move(job->chunk);
}

}  // namespace samara::cache_index
