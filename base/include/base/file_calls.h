#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>

namespace samara {

/// What base/file.h calls to read and write. The system's, but for tests, which put a table in its place that fails as
/// disks do (testing/file_faults.h).
struct FileCalls {
  ssize_t (*pread)(int fd, void* to, std::size_t bytes, off_t offset);
  ssize_t (*pwrite)(int fd, const void* from, std::size_t bytes, off_t offset);
};

/// Not owned; never null. Threads: any.
extern std::atomic<const FileCalls*> file_calls;

}  // namespace samara
