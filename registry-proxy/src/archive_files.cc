#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "registry_proxy/image_archive.h"

/// Archives that are read: a directory, or a tar as archive_writer.cc and GNU tar make it.
/// Source: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Extended sizes" (base-256 numbers).
namespace samara::registry_proxy {
namespace {

constexpr std::uint64_t kBlock = 512;
constexpr std::size_t kMostFiles = 50'000;

struct TarHeader {
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2], user[32], group[32],
      major[8], minor[8], prefix[155], padding[12];
};
static_assert(sizeof(TarHeader) == kBlock);

absl::Status bad(std::string_view what) { return absl::InvalidArgumentError(str_cat("the tar can't be an archive of ours: ", what)); }

template <std::size_t N>
std::string_view text_of(const char (&field)[N]) {
  return {field, ::strnlen(field, N)};
}

absl::StatusOr<std::uint64_t> octal(std::string_view text) {
  std::uint64_t value = 0;
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  if (text.empty()) return bad("a number is missing");
  for (const char c : text) {
    if (c < '0' || c > '7' || value >> 60 != 0) return bad("a number isn't one");
    value = value * 8 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

absl::StatusOr<std::uint64_t> size_of(const TarHeader& header) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(header.size);
  if (bytes[0] != 0x80) return octal(text_of(header.size));
  std::uint64_t value = 0;
  for (std::size_t i = 1; i < sizeof header.size; ++i) {
    if (value >> 55 != 0) return bad("a size that no file has");
    value = value << 8 | bytes[i];
  }
  return value;
}

bool has_right_checksum(const TarHeader& header) {
  const auto stored = octal(text_of(header.checksum));
  if (!stored.ok()) return false;
  const auto* const bytes = reinterpret_cast<const unsigned char*>(&header);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const bool in_sum = i >= offsetof(TarHeader, checksum) && i < offsetof(TarHeader, checksum) + sizeof header.checksum;
    sum += in_sum ? ' ' : bytes[i];
  }
  return sum == *stored;
}

std::string name_of(const TarHeader& header) {
  const std::string_view prefix = text_of(header.prefix);
  std::string name = prefix.empty() ? std::string(text_of(header.name)) : str_cat(prefix, "/", text_of(header.name));
  while (name.starts_with("./")) name.erase(0, 2);
  return name;
}

class TarFiles final : public ArchiveFiles {
 public:
  TarFiles(Fd fd, std::map<std::string, TarPlace> places) : fd_(std::move(fd)), places_(std::move(places)) {}

  absl::StatusOr<std::uint64_t> size(const std::string& name) const override {
    const auto found = places_.find(name);
    if (found != places_.end()) return found->second.size;
    return absl::NotFoundError(str_cat("the archive has no ", name));
  }
  absl::Status read_at(const std::string& name, std::uint64_t offset, std::span<std::uint8_t> out) const override {
    const auto found = places_.find(name);
    if (found == places_.end() || offset > found->second.size || out.size() > found->second.size - offset)
      return absl::OutOfRangeError(str_cat(name, " has no such bytes"));
    return pread_all(fd_.get(), out, found->second.offset + offset);
  }

 private:
  const Fd fd_;
  const std::map<std::string, TarPlace> places_;
};

class DirectoryFiles final : public ArchiveFiles {
 public:
  explicit DirectoryFiles(std::string root) : root_(std::move(root)) {}

  absl::StatusOr<std::uint64_t> size(const std::string& name) const override {
    SAMARA_ASSIGN_OR_RETURN(const Fd fd, open(name));
    return file_size(fd.get());
  }
  absl::Status read_at(const std::string& name, std::uint64_t offset, std::span<std::uint8_t> out) const override {
    SAMARA_ASSIGN_OR_RETURN(const Fd fd, open(name));
    return pread_all(fd.get(), out, offset);
  }

 private:
  // Names are ours or made of digests: none leads out of the directory.
  absl::StatusOr<Fd> open(const std::string& name) const {
    absl::StatusOr<Fd> fd = open_file(str_cat(root_, "/", name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (absl::IsNotFound(fd.status())) return absl::NotFoundError(str_cat("the archive has no ", name));
    return fd;
  }
  const std::string root_;
};

}  // namespace

absl::StatusOr<std::map<std::string, TarPlace>> find_tar_files(
    std::uint64_t size, const std::function<absl::Status(std::uint64_t offset, std::span<std::uint8_t> out)>& read_at) {
  std::map<std::string, TarPlace> places;
  std::array<std::uint8_t, kBlock> block;
  for (std::uint64_t at = 0; size - at >= kBlock;) {
    SAMARA_RETURN_IF_ERROR(read_at(at, block));
    at += kBlock;
    if (std::all_of(block.begin(), block.end(), [](std::uint8_t byte) { return byte == 0; })) return places;  // the end
    TarHeader header;
    std::memcpy(&header, block.data(), kBlock);
    if (std::string_view(header.magic, 5) != "ustar") return bad("it isn't a tar");
    if (!has_right_checksum(header)) return bad("a header was altered");
    SAMARA_ASSIGN_OR_RETURN(const std::uint64_t bytes, size_of(header));
    const std::string name = name_of(header);
    if (header.type != '0' && header.type != '\0' && header.type != '5') return bad(str_cat("\"", name, "\" is no plain file"));
    if (bytes > size - at) return bad(str_cat("it ends in the middle of \"", name, "\""));
    if (places.size() >= kMostFiles) return bad("it has too many files");
    if (header.type != '5' && !places.emplace(name, TarPlace{at, bytes}).second) return bad(str_cat("it has \"", name, "\" twice"));
    const std::uint64_t padded = (bytes + kBlock - 1) / kBlock * kBlock;
    if (padded > size - at) return bad(str_cat("it ends behind \"", name, "\""));
    at += padded;
  }
  return bad("it has no end");
}

absl::StatusOr<std::unique_ptr<ArchiveFiles>> ArchiveFiles::open(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return std::make_unique<DirectoryFiles>(path);
  SAMARA_ASSIGN_OR_RETURN(Fd fd, open_file(path, O_RDONLY));
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t size, file_size(fd.get()));
  SAMARA_ASSIGN_OR_RETURN(auto places, find_tar_files(size, [&](std::uint64_t offset, std::span<std::uint8_t> out) {
    return pread_all(fd.get(), out, offset);
  }));
  return std::make_unique<TarFiles>(std::move(fd), std::move(places));
}

}  // namespace samara::registry_proxy
