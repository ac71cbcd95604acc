#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

namespace samara {

/// Owns a file descriptor; closes it once.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release();
  void reset();

 private:
  int fd_ = -1;
};

/// open(2) with O_CLOEXEC added.
absl::StatusOr<Fd> open_file(const std::string& path, int flags, unsigned mode = 0644);

absl::StatusOr<std::uint64_t> file_size(int fd);

/// Reads exactly `out.size()` bytes at `offset`; OutOfRange when the file ends before that.
absl::Status pread_all(int fd, std::span<std::uint8_t> out, std::uint64_t offset);
/// Writes all of `data` at `offset`; ResourceExhausted when the disk is full.
absl::Status pwrite_all(int fd, std::span<const std::uint8_t> data, std::uint64_t offset);

/// The whole file; ResourceExhausted when it is larger than `limit` bytes.
absl::StatusOr<std::string> read_file(const std::string& path, std::uint64_t limit = 64u << 20);
/// Writes beside `path`, syncs, renames over it: readers see the old or the new content, also after a crash.
absl::Status write_file_atomic(const std::string& path, std::string_view content, unsigned mode = 0644);

/// mkdir -p
absl::Status make_directories(const std::string& path);

/// A directory of its own under $TMPDIR (default /tmp), removed with everything in it at the end.
class TempDir {
 public:
  static absl::StatusOr<TempDir> create(std::string_view prefix);
  TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir& operator=(TempDir&&) = delete;
  ~TempDir();
  const std::string& path() const { return path_; }

 private:
  explicit TempDir(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

inline std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace samara
