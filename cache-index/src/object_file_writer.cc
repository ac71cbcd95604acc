#include "object_file_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/status.h"
#include "base/text.h"
#include "disk_cache.h"

namespace samara::cache_index {

absl::StatusOr<std::unique_ptr<ObjectWriter>> ObjectFileWriter::create(DiskCache& cache, const Digest& digest,
                                                                       std::string path) {
  SAMARA_ASSIGN_OR_RETURN(Fd fd, open_file(path, O_RDWR | O_CREAT | O_EXCL));
  return std::unique_ptr<ObjectWriter>(new ObjectFileWriter(cache, digest, std::move(path), std::move(fd), 0, false));
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> ObjectFileWriter::take_up(DiskCache& cache, const Digest& digest,
                                                                        std::string path) {
  SAMARA_ASSIGN_OR_RETURN(Fd fd, open_file(path, O_RDWR | O_CREAT));
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t size, file_size(fd.get()));
  return std::unique_ptr<ObjectWriter>(new ObjectFileWriter(cache, digest, std::move(path), std::move(fd), size, true));
}

ObjectFileWriter::ObjectFileWriter(DiskCache& cache, const Digest& digest, std::string path, Fd fd, std::uint64_t size,
                                   bool keep)
    : cache_(cache),
      digest_(digest),
      path_(std::move(path)),
      fd_(std::move(fd)),
      is_partial_(keep),
      hasher_(digest.algorithm()),
      size_(size),
      keep_(keep) {}

ObjectFileWriter::~ObjectFileWriter() {
  const bool stays = keep_ && !renamed_ && size_ > 0;
  if (!stays) cache_.space().add_incoming(-static_cast<std::int64_t>(size_.load()));
  if (!stays && !renamed_) ::unlink(path_.c_str());
  if (is_partial_) cache_.release_partial(digest_);
}

absl::Status ObjectFileWriter::append(std::span<const std::uint8_t> bytes) {
  absl::Status status = cache_.make_room(bytes.size());
  if (status.ok()) status = hash_up_to(size_);
  if (status.ok()) status = annotate(pwrite_all(fd_.get(), bytes, size_), str_cat("store ", digest_.to_string()));
  if (!status.ok()) {
    keep_ = false;  // a full disk isn't filled by what can't be completed
    return status;
  }
  hasher_.update(bytes);
  hashed_ += bytes.size();
  size_ += bytes.size();
  cache_.space().add_incoming(static_cast<std::int64_t>(bytes.size()));
  return absl::OkStatus();
}

absl::Status ObjectFileWriter::hash_up_to(std::uint64_t end) {
  std::vector<std::uint8_t> buffer(hashed_ < end ? 1u << 20 : 0);
  while (hashed_ < end) {
    const std::span<std::uint8_t> part(buffer.data(), std::min<std::uint64_t>(buffer.size(), end - hashed_));
    SAMARA_RETURN_IF_ERROR(pread_all(fd_.get(), part, hashed_));
    hasher_.update(part);
    hashed_ += part.size();
  }
  return absl::OkStatus();
}

absl::Status ObjectFileWriter::commit() {
  if (renamed_) return absl::FailedPreconditionError(str_cat(digest_.to_string(), " was committed before"));
  SAMARA_RETURN_IF_ERROR(hash_up_to(size_));
  if (const Digest actual = hasher_.finish(); actual != digest_) {
    discard();
    return absl::DataLossError(str_cat("expected ", digest_.to_string(), ", got ", size_.load(), " bytes with digest ",
                                       actual.to_string()));
  }
  SAMARA_RETURN_IF_ERROR(cache_.publish_object(digest_, path_, size_));
  renamed_ = true;
  return absl::OkStatus();
}

}  // namespace samara::cache_index
