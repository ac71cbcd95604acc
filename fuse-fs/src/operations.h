#pragma once

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <fuse_lowlevel.h>

#include "fuse_fs/file_watcher.h"
#include "fuse_fs/preloader.h"
#include "interrupt_watcher.h"
#include "mount_metrics.h"
#include "read_service.h"
#include "slot_table.h"

namespace samara::fuse_fs {

/// Whether the layers of a mount may have extended attributes. If not, the kernel is told to ask for none again.
enum class Xattrs { kAbsent, kAnswered };

/// What the handlers work with. Borrowed; everything outlives the session.
struct MountState {
  SlotTable& slots;
  ReadService& reads;
  InterruptWatcher& interrupts;
  MountMetrics& metrics;
  Xattrs xattrs;
  FileWatcher* watcher = nullptr;
  const Preloader* preloader = nullptr;
};

/// The handlers of libfuse's low-level API. Their user data is a MountState. None of them waits for anything.
const fuse_lowlevel_ops& operations();

}  // namespace samara::fuse_fs
