#include "convert/file_stream.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/status.h"
#include "base/text.h"

namespace samara::convert {

absl::StatusOr<FileStream> FileStream::open(const std::string& path) {
  SAMARA_ASSIGN_OR_RETURN(Fd fd, open_file(path, O_RDONLY));
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);  // a hint: whether it is taken doesn't matter
  return FileStream(std::move(fd), path);
}

absl::StatusOr<std::size_t> FileStream::read(std::span<std::uint8_t> out) {
  while (true) {
    const ssize_t got = ::read(fd_.get(), out.data(), out.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return errno_status(errno, str_cat("read ", name_));
  }
}

}  // namespace samara::convert
