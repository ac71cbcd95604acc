#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/metrics.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/index_reader.h"
#include "commands.h"
#include "converted_layers.h"
#include "fuse_fs/lazy_mount.h"
#include "fuse_fs/local_reader.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(Takes a directory with index and blob, a directory of such directories (as `samara convert` writes them), or an index
and its blob. One layer is shown at MOUNTPOINT itself; several in directories below it, which are printed. Whiteouts are shown
as overlayfs has them, as character devices 0:0.

Examples:
  samara mount converted /mnt
  samara mount some/index some/blob /mnt)";

struct MountedLayer {
  std::string name;
  peer::LayerIndex index;
};

absl::StatusOr<MountedLayer> open_layer(const ConvertedFiles& files, fuse_fs::LocalReader& reader) {
  SAMARA_ASSIGN_OR_RETURN(OpenLayer layer, open_converted(files));
  SAMARA_RETURN_IF_ERROR(annotate(layer.index->check_content(), files.index));
  reader.add_blob(layer.index->info().blob, std::move(layer.blob));
  return MountedLayer{files.name, std::move(layer.index)};
}

/// What stands at a path, to see later whether it still does.
class Standing {
 public:
  explicit Standing(std::string path) : path_(std::move(path)) { ::stat(path_.c_str(), &then_); }
  bool still() const {
    struct stat now {};
    return ::stat(path_.c_str(), &now) == 0 && now.st_dev == then_.st_dev && now.st_ino == then_.st_ino;
  }

 private:
  const std::string path_;
  struct stat then_ {};
};

/// A layer laid over the mount's root, so that its files are where the user wants them.
class LayerOnTop {
 public:
  static absl::StatusOr<std::unique_ptr<LayerOnTop>> create(const std::string& layer, const std::string& mountpoint) {
    if (::mount(layer.c_str(), mountpoint.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      return errno_status(errno, str_cat("bind ", layer, " to ", mountpoint));
    }
    return std::unique_ptr<LayerOnTop>(new LayerOnTop(mountpoint));
  }
  ~LayerOnTop() {
    if (layer_.still()) ::umount2(mountpoint_.c_str(), MNT_DETACH);
  }
  LayerOnTop(const LayerOnTop&) = delete;

 private:
  explicit LayerOnTop(const std::string& mountpoint) : mountpoint_(mountpoint), layer_(mountpoint) {}
  const std::string mountpoint_;
  const Standing layer_;
};

/// Waits until somebody wants an end: a signal, or umount(8).
absl::Status wait_for_end(const std::string& mountpoint, const sigset_t& signals) {
  const Standing mount(mountpoint);
  const Fd signal(::signalfd(-1, &signals, SFD_CLOEXEC));
  if (!signal.valid()) return errno_status(errno, "signalfd");
  SAMARA_ASSIGN_OR_RETURN(const Fd mounts, open_file("/proc/self/mountinfo", O_RDONLY));
  pollfd polled[] = {{signal.get(), POLLIN, 0}, {mounts.get(), POLLPRI, 0}};  // proc(5): POLLPRI when the table changes
  while (mount.still()) {
    if (::poll(polled, 2, -1) < 0 && errno != EINTR) return errno_status(errno, "poll");
    if ((polled[0].revents & POLLIN) != 0) break;
  }
  return absl::OkStatus();
}

void describe(const std::string& path, const MountedLayer& layer) {
  const cache_index::LayerInfo& info = layer.index->info();
  std::printf("%s: %s (%s, %u inodes, %.1f MiB)\n", path.c_str(), layer.name.c_str(), info.diff_id.to_string().c_str(),
              info.inode_count, static_cast<double>(info.stream_size) / (1 << 20));
}

absl::Status run(std::vector<std::string> paths) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread starts

  const std::string wanted = paths.back();
  paths.pop_back();
  SAMARA_ASSIGN_OR_RETURN(const std::vector<ConvertedFiles> files, find_converted(paths));
  fuse_fs::LocalReader reader({});
  std::vector<MountedLayer> layers;
  for (const ConvertedFiles& each : files) {
    SAMARA_ASSIGN_OR_RETURN(MountedLayer layer, open_layer(each, reader));
    layers.push_back(std::move(layer));
  }

  Metrics metrics;
  SAMARA_ASSIGN_OR_RETURN(const auto mount, fuse_fs::LazyMount::create({.mountpoint = wanted}, reader, metrics));
  for (std::uint32_t slot = 0; slot < layers.size(); ++slot) {
    SAMARA_RETURN_IF_ERROR(mount->attach(slot, layers[slot].index).status());
  }
  std::error_code error;
  const std::string mountpoint = std::filesystem::canonical(wanted, error).string();
  if (error) return errno_status(error.value(), wanted);
  std::unique_ptr<LayerOnTop> on_top;
  if (layers.size() == 1) {
    SAMARA_ASSIGN_OR_RETURN(on_top, LayerOnTop::create(mount->path(0), mountpoint));
    describe(mountpoint, layers[0]);
  } else {
    for (std::uint32_t slot = 0; slot < layers.size(); ++slot) describe(mount->path(slot), layers[slot]);
  }
  std::puts("Ctrl-C unmounts");
  std::fflush(stdout);
  return wait_for_end(mountpoint, signals);
}

}  // namespace

void add_mount(CLI::App& app, int& exit_code) {
  CLI::App* const command = app.add_subcommand("mount", "Mounts converted layers read-only, until Ctrl-C or umount");
  command->footer(kHelp);
  const auto paths = std::make_shared<std::vector<std::string>>();  // the callback below outlives this function
  command->add_option("PATH", *paths, "DIR MOUNTPOINT, or INDEX BLOB MOUNTPOINT")->required()->expected(2, 3);
  command->callback([paths, &exit_code] { exit_code = report(run(*paths)); });
}

}  // namespace samara::cli
