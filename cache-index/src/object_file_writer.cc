#include "object_file_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/status.h"
#include "base/text.h"
#include "disk_cache.h"

namespace samara::cache_index {

absl::StatusOr<std::unique_ptr<ObjectWriter>> ObjectFileWriter::create(DiskCache& cache, const Digest& digest,
                                                                       std::string path) {
  SAMARA_ASSIGN_OR_RETURN(Fd fd, open_file(path, O_RDWR | O_CREAT | O_EXCL));
  return std::unique_ptr<ObjectWriter>(new ObjectFileWriter(cache, digest, std::move(path), std::move(fd)));
}

ObjectFileWriter::ObjectFileWriter(DiskCache& cache, const Digest& digest, std::string path, Fd fd)
    : cache_(cache), digest_(digest), path_(std::move(path)), fd_(std::move(fd)), hasher_(digest.algorithm()) {}

ObjectFileWriter::~ObjectFileWriter() {
  if (!renamed_) ::unlink(path_.c_str());
}

absl::Status ObjectFileWriter::append(std::span<const std::uint8_t> bytes) {
  SAMARA_RETURN_IF_ERROR(annotate(pwrite_all(fd_.get(), bytes, size_), str_cat("store ", digest_.to_string())));
  hasher_.update(bytes);
  size_ += bytes.size();
  return absl::OkStatus();
}

absl::Status ObjectFileWriter::commit() {
  if (renamed_) return absl::FailedPreconditionError(str_cat(digest_.to_string(), " was committed before"));
  if (const Digest actual = hasher_.finish(); actual != digest_) {
    return absl::DataLossError(str_cat("expected ", digest_.to_string(), ", got ", size_.load(), " bytes with digest ",
                                       actual.to_string()));
  }
  SAMARA_RETURN_IF_ERROR(cache_.publish_object(digest_, path_, size_));
  renamed_ = true;
  return absl::OkStatus();
}

}  // namespace samara::cache_index
