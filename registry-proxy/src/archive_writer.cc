#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "registry_proxy/image_archive.h"

/// Archives that are written. Of a tar every header says the same apart from name and size, so that one is told from
/// another by what is in it alone.
namespace samara::registry_proxy {
namespace {

constexpr std::uint64_t kBlock = 512, kLargestOctal = 077777777777ull;
constexpr std::size_t kLongestName = 100;

/// A file of a known size and digest that is being written at one place of another.
class Part {
 public:
  Part(int fd, std::uint64_t at, std::string name, std::uint64_t size, const Digest* digest)
      : fd_(fd), at_(at), name_(std::move(name)), size_(size), digest_(digest),
        hasher_(digest == nullptr ? Digest::Algorithm::kSha256 : digest->algorithm()) {}

  absl::Status write(const ArchiveWriter::Source& source) {
    SAMARA_RETURN_IF_ERROR(source([this](std::span<const std::uint8_t> bytes) {
      if (bytes.size() > size_ - done_) return absl::DataLossError(str_cat(name_, " has more bytes than its ", size_));
      hasher_.update(bytes);
      SAMARA_RETURN_IF_ERROR(pwrite_all(fd_, bytes, at_ + done_));
      done_ += bytes.size();
      return absl::OkStatus();
    }));
    if (done_ != size_) return absl::DataLossError(str_cat(name_, " has ", done_, " bytes instead of ", size_));
    if (digest_ != nullptr && hasher_.finish() != *digest_) return absl::DataLossError(str_cat(name_, " came with other bytes than its digest's"));
    return absl::OkStatus();
  }

 private:
  const int fd_;
  const std::uint64_t at_;
  const std::string name_;
  const std::uint64_t size_;
  const Digest* const digest_;
  cache_index::Hasher hasher_;
  std::uint64_t done_ = 0;
};

std::string number(std::uint64_t value, std::size_t width) {
  std::string text(width, '\0');
  if (value <= kLargestOctal) {
    std::snprintf(text.data(), width, "%0*llo", static_cast<int>(width) - 1, static_cast<unsigned long long>(value));
    return text;
  }
  text[0] = static_cast<char>(0x80);  // base-256: GNU tar, for files of 8 GiB and more
  for (std::size_t i = 0; i < 8; ++i) text[width - 1 - i] = static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

std::string tar_header(const std::string& name, std::uint64_t size) {
  std::string block(kBlock, '\0');
  const auto put = [&](std::size_t at, std::string_view text) { std::memcpy(block.data() + at, text.data(), text.size()); };
  put(0, name);
  put(100, number(0644, 8));
  put(108, number(0, 8));   // uid
  put(116, number(0, 8));   // gid
  put(124, number(size, 12));
  put(136, number(0, 12));  // mtime
  put(148, "        ");
  put(156, "0");
  put(257, std::string_view("ustar\00000", 8));
  unsigned sum = 0;
  for (const char byte : block) sum += static_cast<unsigned char>(byte);
  char checksum[8];
  std::snprintf(checksum, sizeof checksum, "%06o", sum);
  checksum[7] = ' ';
  put(148, std::string_view(checksum, sizeof checksum));
  return block;
}

class TarWriter final : public ArchiveWriter {
 public:
  TarWriter(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  ~TarWriter() override {
    if (!finished_) ::unlink(partial().c_str());
  }
  std::string partial() const { return path_ + ".partial"; }

  absl::Status add(const std::string& name, std::uint64_t size, const Digest* digest, const Source& source) override {
    if (name.size() > kLongestName)
      return absl::FailedPreconditionError(str_cat(name, " is too long a name for a file; export into a directory"));
    SAMARA_RETURN_IF_ERROR(pwrite_all(fd_.get(), as_bytes(tar_header(name, size)), at_));
    SAMARA_RETURN_IF_ERROR(Part(fd_.get(), at_ + kBlock, name, size, digest).write(source));
    at_ += kBlock + size;
    const std::string padding((kBlock - at_ % kBlock) % kBlock, '\0');
    SAMARA_RETURN_IF_ERROR(pwrite_all(fd_.get(), as_bytes(padding), at_));
    at_ += padding.size();
    return absl::OkStatus();
  }
  absl::Status finish() override {
    SAMARA_RETURN_IF_ERROR(pwrite_all(fd_.get(), as_bytes(std::string(2 * kBlock, '\0')), at_));
    if (::fsync(fd_.get()) != 0) return errno_status(errno, str_cat("fsync ", partial()));
    if (::rename(partial().c_str(), path_.c_str()) != 0) return errno_status(errno, str_cat("rename ", partial()));
    finished_ = true;
    return absl::OkStatus();
  }

 private:
  const std::string path_;
  const Fd fd_;
  std::uint64_t at_ = 0;
  bool finished_ = false;
};

class DirectoryWriter final : public ArchiveWriter {
 public:
  explicit DirectoryWriter(std::string root) : root_(std::move(root)) {}

  absl::Status add(const std::string& name, std::uint64_t size, const Digest* digest, const Source& source) override {
    const std::string path = str_cat(root_, "/", name), partial = path + ".partial";
    if (digest != nullptr && is_there(path, size, *digest)) return absl::OkStatus();
    SAMARA_RETURN_IF_ERROR(make_directories(path.substr(0, path.rfind('/'))));
    SAMARA_ASSIGN_OR_RETURN(const Fd fd, open_file(partial, O_RDWR | O_CREAT | O_TRUNC));
    absl::Status status = Part(fd.get(), 0, name, size, digest).write(source);
    if (status.ok() && ::fsync(fd.get()) != 0) status = errno_status(errno, str_cat("fsync ", partial));
    if (status.ok() && ::rename(partial.c_str(), path.c_str()) != 0) status = errno_status(errno, str_cat("rename ", partial));
    if (!status.ok()) ::unlink(partial.c_str());
    return status;
  }
  absl::Status finish() override { return absl::OkStatus(); }

 private:
  static bool is_there(const std::string& path, std::uint64_t size, const Digest& digest) {
    const absl::StatusOr<Fd> fd = open_file(path, O_RDONLY);
    if (!fd.ok() || file_size(fd->get()).value_or(~std::uint64_t{0}) != size) return false;
    cache_index::Hasher hasher(digest.algorithm());
    std::array<std::uint8_t, 1 << 16> bytes;
    for (std::uint64_t at = 0; at < size; at += bytes.size()) {
      const std::span<std::uint8_t> part(bytes.data(), std::min<std::uint64_t>(bytes.size(), size - at));
      if (!pread_all(fd->get(), part, at).ok()) return false;
      hasher.update(part);
    }
    return hasher.finish() == digest;
  }
  const std::string root_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ArchiveWriter>> ArchiveWriter::create(const std::string& path) {
  std::error_code error;
  if (path.ends_with('/') || std::filesystem::is_directory(path, error)) {
    SAMARA_RETURN_IF_ERROR(make_directories(path));
    return std::make_unique<DirectoryWriter>(path);
  }
  SAMARA_ASSIGN_OR_RETURN(Fd fd, open_file(path + ".partial", O_RDWR | O_CREAT | O_TRUNC));
  return std::make_unique<TarWriter>(path, std::move(fd));
}

}  // namespace samara::registry_proxy
