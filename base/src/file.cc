#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/file_calls.h"
#include "base/text.h"
#include "base/status.h"

namespace samara {
namespace {

constexpr FileCalls kSystemCalls{::pread, ::pwrite};
const FileCalls& calls() { return *file_calls.load(std::memory_order_relaxed); }

}  // namespace

std::atomic<const FileCalls*> file_calls{&kSystemCalls};

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int Fd::release() { return std::exchange(fd_, -1); }

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

absl::StatusOr<Fd> open_file(const std::string& path, int flags, unsigned mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return errno_status(errno, str_cat("open ", path));
  return Fd(fd);
}

absl::StatusOr<std::uint64_t> file_size(int fd) {
  struct stat st;
  if (::fstat(fd, &st) != 0) return errno_status(errno, "fstat");
  return static_cast<std::uint64_t>(st.st_size);
}

absl::Status pread_all(int fd, std::span<std::uint8_t> out, std::uint64_t offset) {
  while (!out.empty()) {
    const ssize_t n = calls().pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_status(errno, "pread");
    if (n == 0) return absl::OutOfRangeError(str_cat("file ends at ", offset, ", ", out.size(), " bytes short"));
    out = out.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return absl::OkStatus();
}

absl::Status pwrite_all(int fd, std::span<const std::uint8_t> data, std::uint64_t offset) {
  while (!data.empty()) {
    const ssize_t n = calls().pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_status(errno, "pwrite");
    data = data.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> read_file(const std::string& path, std::uint64_t limit) {
  SAMARA_ASSIGN_OR_RETURN(const Fd fd, open_file(path, O_RDONLY));
  std::string content;
  char buffer[65536];
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_status(errno, str_cat("read ", path));
    if (n == 0) return content;
    content.append(buffer, static_cast<std::size_t>(n));
    if (content.size() > limit) return absl::ResourceExhaustedError(str_cat(path, " is larger than ", limit, " bytes"));
  }
}

absl::Status write_file_atomic(const std::string& path, std::string_view content, unsigned mode) {
  const std::string temporary = str_cat(path, ".tmp.", ::getpid());
  {
    SAMARA_ASSIGN_OR_RETURN(const Fd fd, open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode));
    SAMARA_RETURN_IF_ERROR(annotate(pwrite_all(fd.get(), as_bytes(content), 0), temporary));
    if (::fsync(fd.get()) != 0) return errno_status(errno, str_cat("fsync ", temporary));
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return errno_status(errno, str_cat("rename to ", path));
  return absl::OkStatus();
}

absl::Status make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return errno_status(error.value(), str_cat("create directory ", path));
  return absl::OkStatus();
}

absl::StatusOr<TempDir> TempDir::create(std::string_view prefix) {
  const char* base = std::getenv("TMPDIR");
  std::string path = str_cat(base != nullptr && *base != '\0' ? base : "/tmp", "/",
                                  prefix, ".XXXXXX");
  if (::mkdtemp(path.data()) == nullptr) return errno_status(errno, str_cat("mkdtemp ", path));
  return TempDir(std::move(path));
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  std::error_code ignored;  // nothing to be done about it in a destructor
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace samara
