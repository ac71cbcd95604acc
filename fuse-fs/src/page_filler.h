#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "cache_index/index_reader.h"
#include "peer/chunk_reader.h"
#include "read_plan.h"

namespace samara::fuse_fs {

/// Whole pages of a file that lie in one chunk.
struct PageRange {
  std::uint32_t chunk = 0;
  std::uint32_t begin = 0;  ///< byte of the chunk
  std::uint32_t size = 0;   ///< not 0; ends at the end of a page or of the file
  std::uint64_t file_offset = 0;

  bool operator==(const PageRange&) const = default;
};

/// The pages of `file` that lie in the same chunks as `pieces`, a plan for its bytes from `offset` on, but weren't
/// asked for: at most one range before and one behind.
std::vector<PageRange> pages_around(const cache_index::IndexReader& layer, const cache_index::Inode& file,
                                    std::uint64_t offset, std::span<const ReadPiece> pieces);

/// Gives the kernel the rest of a chunk of which a program read a few pages here and there.
///
/// To answer a read of 4 KiB we decode a whole chunk. The kernel reads ahead only where it sees a sequence, so the next
/// read of the chunk would ask us again, perhaps when the chunk isn't in memory any more. In the page cache the bytes
/// cost a copy, and the kernel takes them away when memory is short.
/// Storing may have to wait for pages that are just being read, so it has a thread of its own that nobody waits for;
/// when that falls behind, pages are left out.
/// Threads: fill() from any.
class PageFiller {
 public:
  /// Puts bytes into the page cache of file `node` at `offset`; may wait.
  using Store = std::function<void(std::uint64_t node, std::uint64_t offset, std::string_view bytes)>;

  explicit PageFiller(Store store);
  ~PageFiller() { stop(); }

  /// Those of `pages` that should be given: not those of a chunk that was just given, because then the kernel has no
  /// use for them.
  std::vector<PageRange> worth_giving(std::uint64_t node, std::vector<PageRange> pages);
  void fill(std::uint64_t node, const PageRange& range, peer::ChunkBytes bytes);
  /// Waits for the store under way, if any, and drops the rest.
  void stop();

 private:
  struct Job {
    std::uint64_t node;
    PageRange range;
    peer::ChunkBytes bytes;
  };
  struct Given {
    std::uint64_t node = 0;
    std::uint32_t chunk = 0;
  };
  bool note_given(std::uint64_t node, std::uint32_t chunk);
  void run();

  const Store store_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::array<Given, 1024> given_;  // places by hash; one pushes the other out
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace samara::fuse_fs
