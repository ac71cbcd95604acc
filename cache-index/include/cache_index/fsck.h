#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace samara::cache_index {

/// Examines a cache that no daemon uses: every row, every byte.
struct FsckOptions {
  std::string root;
  bool mend = false;
  std::size_t threads = 1;  ///< that read and hash
  /// What it is at, and how far: bytes, or 0 of 0 where that isn't known. On the caller's thread.
  std::function<void(const std::string& step, std::uint64_t done, std::uint64_t total)> progress;
};

struct FsckProblem {
  enum class Kind {
    kDamagedRow,        ///< a row that can't be read
    kRowWithoutBytes,   ///< its file is gone or too short
    kBytesWithoutRow,   ///< a file that nothing speaks of
    kAlteredChunk,      ///< the bytes have another digest
    kAlteredObject,     ///< ... of a whole object
    kInterruptedWrite,  ///< a leftover below incoming/ that nobody goes on from
    kStalePin,          ///< expired
  };
  Kind kind;
  std::string what;  ///< for people
  std::uint64_t bytes = 0;
};
/// "row without bytes"
const char* to_string(FsckProblem::Kind kind);

struct FsckReport {
  std::uint64_t objects = 0, chunks = 0, bytes = 0;  ///< that were examined
  std::uint64_t parts = 0;                           ///< of objects on their way; their next download goes on from there
  /// Of partial blobs, in no chunk: what the swarm brought and nobody looked at yet, copies, the rest of a killed write.
  /// `mend` gives them back to the disk.
  std::uint64_t unclaimed_bytes = 0;
  std::vector<FsckProblem> problems;                 ///< the first kMostProblems of them
  std::uint64_t problem_count = 0;
  bool database_repaired = false;  ///< it couldn't be opened; what could be read of it is in a new one
};
inline constexpr std::size_t kMostFsckProblems = 1000;

/// With `mend`, what is wrong is removed, so that it is fetched again, and what can be kept is kept; without, nothing is
/// changed. It needs 16 bytes of memory for each chunk of partial blobs.
/// Errors: NotFound (no cache there), Unavailable (a daemon uses it), FailedPrecondition (another version's), DataLoss
/// (the database can't be opened; with `mend` it is repaired), disk errors.
absl::StatusOr<FsckReport> fsck(const FsckOptions& options);

}  // namespace samara::cache_index
