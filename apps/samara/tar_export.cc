#include "tar_export.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"

namespace samara::cli {
namespace {

absl::Status write_all(int to, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(to, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) return errno_status(errno, "write the tar");
    if (written > 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status export_tar(const cache_index::IndexReader& index, const cache_index::ChunkSource& chunks, int to) {
  cache_index::Hasher hasher;
  SAMARA_RETURN_IF_ERROR(replay_tar(index, chunks, [&](std::span<const std::uint8_t> bytes) {
    hasher.update(bytes);
    return write_all(to, bytes);
  }));
  const Digest tar = hasher.finish(), diff_id = index.info().diff_id;
  if (tar == diff_id) return absl::OkStatus();
  return absl::DataLossError(str_cat("the tar is ", tar.to_string(), ", not the layer's diffID ", diff_id.to_string()));
}

absl::Status export_tar_file(const cache_index::IndexReader& index, const cache_index::ChunkSource& chunks,
                             const std::string& path) {
  const std::string partial = path + ".partial";
  SAMARA_ASSIGN_OR_RETURN(Fd file, open_file(partial, O_WRONLY | O_CREAT | O_TRUNC));
  absl::Status status = export_tar(index, chunks, file.get());
  if (status.ok() && ::rename(partial.c_str(), path.c_str()) != 0) status = errno_status(errno, str_cat("rename to ", path));
  if (!status.ok()) (void)::unlink(partial.c_str());  // the first error is the one that matters
  return status;
}

}  // namespace samara::cli
