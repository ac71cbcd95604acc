#include "read_ahead.h"

#include <pthread.h>

#include <utility>

#include "base/status.h"

namespace samara::convert {

ReadAhead::ReadAhead(Open open) : thread_([this, open = std::move(open)] { work(open); }) {
  pthread_setname_np(thread_.native_handle(), "decompress");
}

ReadAhead::~ReadAhead() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

absl::StatusOr<std::span<const std::uint8_t>> ReadAhead::next() {
  std::unique_lock lock(mutex_);
  if (current_.capacity() > 0) spare_.push_back(std::exchange(current_, {}));
  changed_.wait(lock, [this] { return ended_ || !full_.empty(); });
  if (full_.empty()) {
    if (!result_.ok()) return result_;
    return std::span<const std::uint8_t>();
  }
  current_ = std::move(full_.front());
  full_.pop_front();
  lock.unlock();
  changed_.notify_all();
  return std::span<const std::uint8_t>(current_);
}

void ReadAhead::work(const Open& open) {
  const absl::Status result = copy_all(open);
  {
    std::lock_guard lock(mutex_);
    result_ = result;
    ended_ = true;
  }
  changed_.notify_all();
}

absl::Status ReadAhead::copy_all(const Open& open) {
  SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<ByteStream> stream, open());
  while (true) {
    Buffer buffer = spare_buffer();
    buffer.resize(kBufferSize);
    std::size_t size = 0;
    absl::Status error;
    bool end = false;
    while (size < buffer.size() && error.ok() && !end) {
      const auto got = stream->read(std::span(buffer).subspan(size));
      if (!got.ok()) {
        error = got.status();
      } else {
        size += *got;
        end = *got == 0;
      }
    }
    buffer.resize(size);
    if (size > 0 && !put(std::move(buffer))) return absl::CancelledError("no longer wanted");
    if (!error.ok() || end) return error;
  }
}

bool ReadAhead::put(Buffer buffer) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || full_.size() < kBuffers; });
  if (stopping_) return false;
  full_.push_back(std::move(buffer));
  lock.unlock();
  changed_.notify_all();
  return true;
}

ReadAhead::Buffer ReadAhead::spare_buffer() {
  std::lock_guard lock(mutex_);
  if (spare_.empty()) return {};
  Buffer buffer = std::move(spare_.back());
  spare_.pop_back();
  return buffer;
}

}  // namespace samara::convert
