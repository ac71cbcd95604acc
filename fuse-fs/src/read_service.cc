#include "read_service.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace samara::fuse_fs {
namespace {

// The kernel reads 1 MiB ahead; this many chunks more are asked for behind it.
constexpr std::uint32_t kChunksAhead = 2;

}  // namespace

void ReadService::read(const Request& request, std::unique_ptr<ReadReply> reply, const Waiting& waiting) {
  const auto file = request.layer->inode(request.file.inode);
  if (!file.ok()) return reply->error(absl::IsNotFound(file.status()) ? ENOENT : EIO);
  if (!S_ISREG(file->mode)) return reply->error(S_ISDIR(file->mode) ? EISDIR : EINVAL);
  const auto pieces = plan_read(*request.layer, *file, request.offset, request.size);
  if (!pieces.ok()) {
    log_failure(*request.layer, request.file, "plan", pieces.status());
    return reply->error(EIO);
  }

  const std::uint64_t node = to_number(request.file);
  const bool follows = !request.ahead && sequential_.note(node, request.offset, request.size);
  Started started;
  started.id = inflight_.new_id();
  started.layer = request.layer;
  started.file = request.file;
  started.offset = request.offset;
  started.size = request.size;
  started.reader = request.reader;
  started.ahead = request.ahead;
  if (!pieces->empty()) {
    started.first_chunk = pieces->front().chunk;
    started.last_chunk = pieces->back().chunk;
  }
  if (!pieces->empty() && !follows && !request.ahead && request.offset != 0) {  // at 0, most readers go on
    started.pages = pages_.worth_giving(node, pages_around(*request.layer, *file, request.offset, *pieces));
  }

  const std::uint64_t id = started.id;
  const auto operation = std::make_shared<ReadOperation>(
      request.layer, *pieces, std::move(reply),
      [this, started = std::move(started)](const ReadOperation::Outcome& outcome) { ended(started, outcome); });
  ReadOperation::start(operation, chunks_, request.ahead ? peer::FetchClass::kTrace : peer::FetchClass::kBlocking);
  if (!operation->settled()) {
    inflight_.add(id, operation);
    waiting(id);
  }
  operation->release();
  if (follows && !pieces->empty()) read_ahead(request, *file, *pieces);
}

void ReadService::ended(const Started& read, const ReadOperation::Outcome& outcome) {
  metrics_.count(outcome);
  if (outcome.took >= SlowReads::kSlow && !read.ahead) note_slow(read, outcome);
  if (outcome.status.ok()) {
    for (const PageRange& range : read.pages) {
      const bool in_first = range.chunk == read.first_chunk;
      pages_.fill(to_number(read.file), range, in_first ? outcome.chunks.front() : outcome.chunks.back());
    }
  } else if (!absl::IsCancelled(outcome.status)) {
    log_failure(*read.layer, read.file, str_cat("chunk ", outcome.failed_chunk), outcome.status);
  }
  inflight_.remove(read.id);  // last: drain() waits for this
}

void ReadService::note_slow(const Started& read, const ReadOperation::Outcome& outcome) {
  slow_.add({.slot = read.file.slot,
             .inode = read.file.inode,
             .offset = read.offset,
             .size = read.size,
             .first_chunk = read.first_chunk,
             .last_chunk = read.last_chunk,
             .ended = std::chrono::system_clock::now(),
             .took = std::chrono::duration_cast<std::chrono::milliseconds>(outcome.took),
             .pid = read.reader,
             .cgroup = "",
             .error = outcome.status.ok() ? "" : std::string(to_std(outcome.status.message()))});
}

void ReadService::read_ahead(const Request& request, const cache_index::Inode& file,
                             const std::vector<ReadPiece>& pieces) {
  const std::uint32_t next = pieces.back().chunk + 1;
  const auto last = request.layer->chunk_at(file.data_offset + file.size - 1);
  if (!last.ok() || *last < next) return;
  chunks_.prefetch(request.layer, next, std::min(kChunksAhead, *last - next + 1), peer::FetchClass::kReadahead);
}

void ReadService::log_failure(const cache_index::IndexReader& layer, NodeId file, std::string_view what,
                              const absl::Status& status) {
  const auto held_back = log_limit_.admit(std::chrono::steady_clock::now());
  if (!held_back) return;
  log::error("read failed", {{"layer", layer.info().diff_id.to_string()},
                             {"slot", file.slot},
                             {"inode", file.inode},
                             {"at", what},
                             {"error", status},
                             {"held_back", *held_back}});
}

}  // namespace samara::fuse_fs
