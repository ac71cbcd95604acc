#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/thread_pool.h"
#include "cache_index/fsck.h"
#include "cache_index/store.h"
#include "cache_rows.h"

namespace samara::cache_index {

/// One examination of a cache's rows and files.
/// Threads: one; hashing runs on a pool of its own.
class FsckRun {
 public:
  FsckRun(const FsckOptions& options, Store& store);
  absl::Status run();
  FsckReport report;

 private:
  using Kind = FsckProblem::Kind;
  struct File {
    ObjectRow row;
    std::uint64_t size = 0;
    std::vector<std::pair<std::uint64_t, std::uint32_t>> frames{};  // of a partial blob: where good chunks lie
  };
  struct ChunkCheck {
    std::string key;
    ChunkRow row;
    absl::Status status;
  };

  absl::Status check_incoming();
  absl::Status check_objects();
  absl::Status check_object(const std::string& key, const std::string& value);
  absl::Status check_content(const Digest& digest, File& file);
  absl::Status check_chunks();
  absl::Status check_batch(std::vector<ChunkCheck>& batch);
  absl::Status settle_chunk(const ChunkCheck& chunk);
  absl::Status check_files();
  absl::Status check_gaps(const Digest& blob, File& file);
  absl::Status check_small_tables();

  void note(Kind kind, std::string what, std::uint64_t bytes = 0);
  absl::Status remove_row(const char* table, const std::string& key);
  absl::Status remove_file(const std::string& path);
  void told(const std::string& step, std::uint64_t done, std::uint64_t total) const;
  std::string path_of(const Digest& digest) const;

  const FsckOptions& options_;
  Store& store_;
  ThreadPool pool_;
  std::unordered_map<Digest, File> files_;
  std::uint64_t frame_bytes_ = 0, stored_bytes_ = 0;
};

}  // namespace samara::cache_index
