#include "snapshotter/disk_usage.h"

#include <fts.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <set>
#include <utility>

#include "base/status.h"
#include "base/text.h"

namespace samara::snapshotter {

absl::StatusOr<DiskUsage> disk_usage(const std::string& path) {
  struct stat root;
  if (::lstat(path.c_str(), &root) != 0) return errno_status(errno, str_cat("stat ", path));
  char* const roots[] = {const_cast<char*>(path.c_str()), nullptr};
  const std::unique_ptr<FTS, int (*)(FTS*)> walk(::fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr),
                                                 ::fts_close);
  if (!walk) return errno_status(errno, str_cat("walk ", path));
  DiskUsage usage;
  std::set<std::pair<dev_t, ino_t>> linked;
  while (const FTSENT* entry = ::fts_read(walk.get())) {
    if (entry->fts_info == FTS_DP || entry->fts_info == FTS_NS || entry->fts_info == FTS_ERR) continue;
    const struct stat& stat = *entry->fts_statp;
    const bool is_linked = !S_ISDIR(stat.st_mode) && stat.st_nlink > 1;
    if (is_linked && !linked.emplace(stat.st_dev, stat.st_ino).second) continue;
    usage.bytes += static_cast<std::uint64_t>(stat.st_blocks) * 512;
    ++usage.inodes;
  }
  return usage;
}

}  // namespace samara::snapshotter
