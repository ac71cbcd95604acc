#include "page_filler.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "thread_signals.h"

namespace samara::fuse_fs {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::size_t kMaxJobs = 16;  // of a chunk each, at most 1 MiB

/// Bytes [begin, end) of the file, out of the chunk that holds them, cut to whole pages. Nothing if none is left.
void add_pages(std::vector<PageRange>& pages, const cache_index::Inode& file, std::uint32_t position,
               const cache_index::Chunk& chunk, std::uint64_t begin, std::uint64_t end) {
  begin = (begin + kPage - 1) / kPage * kPage;
  if (end != file.size) end = end / kPage * kPage;
  if (begin >= end) return;
  pages.push_back({.chunk = position,
                   .begin = static_cast<std::uint32_t>(file.data_offset + begin - chunk.stream_offset),
                   .size = static_cast<std::uint32_t>(end - begin),
                   .file_offset = begin});
}

}  // namespace

std::vector<PageRange> pages_around(const cache_index::IndexReader& layer, const cache_index::Inode& file,
                                    std::uint64_t offset, std::span<const ReadPiece> pieces) {
  std::vector<PageRange> pages;
  if (pieces.empty()) return pages;
  const auto first = layer.chunk(pieces.front().chunk), last = layer.chunk(pieces.back().chunk);
  if (!first.ok() || !last.ok()) return pages;
  std::uint64_t end = offset;
  for (const ReadPiece& piece : pieces) end += piece.size;

  // As offsets in the file: where the first chunk begins and the last one ends.
  const std::uint64_t from = std::max(first->stream_offset, file.data_offset) - file.data_offset;
  const std::uint64_t until = std::min(last->stream_range().end, file.data_offset + file.size) - file.data_offset;
  add_pages(pages, file, pieces.front().chunk, *first, from, offset);
  add_pages(pages, file, pieces.back().chunk, *last, end, until);
  return pages;
}

PageFiller::PageFiller(Store store) : store_(std::move(store)) {
  const BlockSignals block;
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "fuse-pages");
}

std::vector<PageRange> PageFiller::worth_giving(std::uint64_t node, std::vector<PageRange> pages) {
  bool give = false;
  std::uint32_t decided = 0;  // for this chunk
  bool any = false;
  std::erase_if(pages, [&](const PageRange& range) {
    if (!any || range.chunk != decided) give = note_given(node, range.chunk);
    any = true;
    decided = range.chunk;
    return !give;
  });
  return pages;
}

/// False the second time in a row.
bool PageFiller::note_given(std::uint64_t node, std::uint32_t chunk) {
  const std::size_t place = ((node * 31 + chunk) * 0x9e37'79b9'7f4a'7c15ull >> 32) % given_.size();
  const std::lock_guard lock(mutex_);
  Given& given = given_[place];
  const bool was_given = given.node == node && given.chunk == chunk;
  given = was_given ? Given{} : Given{node, chunk};
  return !was_given;
}

void PageFiller::fill(std::uint64_t node, const PageRange& range, peer::ChunkBytes bytes) {
  if (bytes->size() < std::size_t{range.begin} + range.size) return;
  const std::lock_guard lock(mutex_);
  if (stopping_ || jobs_.size() >= kMaxJobs) return;
  jobs_.push_back({node, range, std::move(bytes)});
  wake_.notify_one();
}

void PageFiller::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    store_(job.node, job.range.file_offset, std::string_view(*job.bytes).substr(job.range.begin, job.range.size));
    lock.lock();
  }
}

void PageFiller::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    jobs_.clear();
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

}  // namespace samara::fuse_fs
