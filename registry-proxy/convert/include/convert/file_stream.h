#pragma once

#include <string>

#include "base/byte_stream.h"
#include "base/file.h"

namespace samara::convert {

/// A file from where its descriptor stands to its end.
/// Errors: whatever read(2) answers, naming `name`.
class FileStream : public ByteStream {
 public:
  FileStream(Fd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  static absl::StatusOr<FileStream> open(const std::string& path);

  absl::StatusOr<std::size_t> read(std::span<std::uint8_t> out) override;

 private:
  Fd fd_;
  std::string name_;
};

}  // namespace samara::convert
