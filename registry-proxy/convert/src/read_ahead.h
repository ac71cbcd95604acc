#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/byte_stream.h"

namespace samara::convert {

/// Reads a stream on a thread of its own, a bounded number of buffers ahead of the one who uses the bytes.
///
/// Threads: next() from one thread. `open` and the stream that it gives are used on the inner thread only. The
/// destructor stops that thread, after the read that is under way there.
/// Memory: kBuffers + 1 buffers of kBufferSize.
class ReadAhead {
 public:
  using Open = std::function<absl::StatusOr<std::unique_ptr<ByteStream>>()>;

  explicit ReadAhead(Open open);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;

  /// The next bytes in order, valid until the next call; empty at the end. The stream's error, once the bytes before
  /// it were handed out.
  absl::StatusOr<std::span<const std::uint8_t>> next();

  static constexpr std::size_t kBuffers = 8;
  static constexpr std::size_t kBufferSize = 256u << 10;

 private:
  using Buffer = std::vector<std::uint8_t>;

  void work(const Open& open);
  absl::Status copy_all(const Open& open);
  bool put(Buffer buffer);  ///< false: nobody wants any more
  Buffer spare_buffer();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Buffer> full_;    // guarded by mutex_, as are the next three
  std::vector<Buffer> spare_;
  bool stopping_ = false;
  bool ended_ = false;
  absl::Status result_;  // written before ended_ is set
  Buffer current_;       // the caller's
  std::thread thread_;
};

}  // namespace samara::convert
