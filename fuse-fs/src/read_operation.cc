#include "read_operation.h"

#include <cerrno>
#include <utility>

namespace samara::fuse_fs {

ReadOperation::ReadOperation(peer::LayerIndex layer, std::vector<ReadPiece> pieces, std::unique_ptr<ReadReply> reply,
                             Ended ended)
    : layer_(std::move(layer)),
      pieces_(std::move(pieces)),
      chunks_(pieces_.size()),
      reply_(std::move(reply)),
      ended_(std::move(ended)),
      missing_(pieces_.size()) {}

void ReadOperation::start(const std::shared_ptr<ReadOperation>& self, peer::ChunkReader& chunks,
                          peer::FetchClass urgency) {
  for (std::size_t i = 0; i < self->pieces_.size(); ++i) {
    chunks.read(self->layer_, self->pieces_[i].chunk, urgency,
                [self, i](absl::StatusOr<peer::ChunkBytes> bytes) { self->chunk_arrived(i, std::move(bytes)); });
  }
}

void ReadOperation::chunk_arrived(std::size_t piece, absl::StatusOr<peer::ChunkBytes> bytes) {
  const ReadPiece& wanted = pieces_[piece];
  std::unique_lock lock(mutex_);
  if (reply_ == nullptr) return;
  if (!bytes.ok()) {
    note_failure(wanted.chunk, bytes.status(), EIO);
  } else if (*bytes == nullptr || (*bytes)->size() < std::size_t{wanted.begin} + wanted.size) {
    note_failure(wanted.chunk, absl::DataLossError("the chunk is shorter than the index says"), EIO);
  } else {
    chunks_[piece] = *std::move(bytes);
    --missing_;
  }
  answer_if_settled(std::move(lock));
}

void ReadOperation::note_failure(std::uint32_t chunk, absl::Status status, int error) {
  if (error_ != 0) return;
  error_ = error;
  outcome_.status = std::move(status);
  outcome_.failed_chunk = chunk;
}

bool ReadOperation::settled() const {
  const std::lock_guard lock(mutex_);
  return settled_locked();
}

void ReadOperation::release() {
  std::unique_lock lock(mutex_);
  held_ = false;
  answer_if_settled(std::move(lock));
}

void ReadOperation::cancel(int error) {
  std::unique_lock lock(mutex_);
  if (reply_ == nullptr) return;
  note_failure(0, absl::CancelledError("interrupted"), error);
  answer_if_settled(std::move(lock));
}

bool ReadOperation::answered() const {
  const std::lock_guard lock(mutex_);
  return reply_ == nullptr;
}

/// Who takes reply_ answers; everybody else finds it gone.
void ReadOperation::answer_if_settled(std::unique_lock<std::mutex> lock) {
  if (held_ || reply_ == nullptr || !settled_locked()) return;
  const std::unique_ptr<ReadReply> reply = std::move(reply_);
  const Ended ended = std::move(ended_);
  Outcome outcome = std::move(outcome_);
  outcome.chunks = std::move(chunks_);
  const int error = error_;
  lock.unlock();

  if (error != 0) {
    reply->error(error);
  } else {
    std::vector<iovec> pieces;
    pieces.reserve(pieces_.size());
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      pieces.push_back({const_cast<char*>(outcome.chunks[i]->data()) + pieces_[i].begin, pieces_[i].size});
      outcome.bytes += pieces_[i].size;
    }
    reply->data(pieces);
  }
  outcome.took = std::chrono::steady_clock::now() - started_;
  ended(outcome);
}

}  // namespace samara::fuse_fs
