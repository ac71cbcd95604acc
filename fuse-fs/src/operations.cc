#include "operations.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <climits>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "attributes.h"
#include "base/text.h"
#include "directory_page.h"
#include "entry.h"
#include "fuse_read_reply.h"
#include "xattr_answer.h"

namespace samara::fuse_fs {
namespace {

using cache_index::Inode;

MountState& state_of(fuse_req_t request) { return *static_cast<MountState*>(fuse_req_userdata(request)); }

/// Counts a request when it comes, and how long its handler takes.
class Served {
 public:
  Served(fuse_req_t request, Operation operation) : state_(state_of(request)), operation_(operation) {
    state_.metrics.count(operation_);
  }
  ~Served() { state_.metrics.answered(operation_, std::chrono::steady_clock::now() - begin_); }
  Served(const Served&) = delete;
  MountState& state() const { return state_; }

 private:
  MountState& state_;
  const Operation operation_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// The layer of a node; null when it is a node of the mount itself, or the layer is gone.
peer::LayerIndex find_layer(const MountState& state, std::uint64_t node) {
  return is_mounts_own(node) ? nullptr : state.slots.find(to_node_id(node).slot);
}

void reply_status(fuse_req_t request, const absl::Status& status) {
  fuse_reply_err(request, absl::IsNotFound(status) ? ENOENT : EIO);
}

bool is_ahead(fuse_req_t request, const MountState& state) {
  return state.preloader != nullptr && state.preloader->is(fuse_req_ctx(request)->pid);
}

void touched(fuse_req_t request, const MountState& state, const peer::LayerIndex& layer, std::uint32_t inode) {
  if (state.watcher != nullptr && !is_ahead(request, state)) state.watcher->touched(layer, inode);
}

void init(void*, fuse_conn_info* connection) {
  const unsigned wanted =
      FUSE_CAP_ASYNC_READ | FUSE_CAP_READDIRPLUS | FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_PARALLEL_DIROPS |
      FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_AUTO_INVAL_DATA;  // the last one for the mount's root, whose time changes
  connection->want = wanted & connection->capable;
  // Readahead runs while programs wait for the network, so many requests of it are under way at once.
  connection->max_background = 128;
  connection->congestion_threshold = 96;
}

// ---- Names ----

/// "12" as the kernel would ask for slot 12: no sign, no leading zero.
std::optional<std::uint32_t> parse_slot(std::string_view name) {
  std::uint32_t slot = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), slot);
  if (error != std::errc() || end != name.data() + name.size() || std::to_string(slot) != name) return std::nullopt;
  return slot;
}

/// Counts the node before the kernel hears of it, so that its forget can't come first.
void reply_entry(fuse_req_t request, SlotTable& slots, std::uint32_t slot, const fuse_entry_param& entry) {
  slots.looked_up(slot);
  if (fuse_reply_entry(request, &entry) != 0) slots.forget(slot, 1);
}

/// The attributes of a node of the mount itself.
struct stat own_stat(const SlotTable& slots, std::uint64_t node) {
  if (node == kMountRoot) return mount_root_stat(slots.changed(), slots.totals().slots);
  struct stat empty = mount_root_stat({}, 0);
  empty.st_ino = node;
  return empty;
}

void reply_own_entry(fuse_req_t request, const SlotTable& slots, std::uint64_t node) {
  fuse_entry_param entry{};
  entry.ino = node;
  entry.attr = own_stat(slots, node);
  fuse_reply_entry(request, &entry);
}

void lookup_in_own(fuse_req_t request, const MountState& state, std::uint64_t parent, std::string_view name) {
  SlotTable& slots = state.slots;
  if (name == ".") return reply_own_entry(request, slots, parent);
  if (name == "..") return reply_own_entry(request, slots, kMountRoot);
  if (parent != kMountRoot) return static_cast<void>(fuse_reply_err(request, ENOENT));
  if (name == kXattrsName && state.xattrs == Xattrs::kAbsent) return reply_own_entry(request, slots, kXattrsDirectory);
  const auto slot = parse_slot(name);
  const peer::LayerIndex layer = slot ? slots.find_attached(*slot) : nullptr;
  if (layer == nullptr) {
    fuse_reply_err(request, ENOENT);  // and not an absent_entry(): it may appear at any time
    return;
  }
  const auto root = layer->inode(cache_index::kRootInode);
  if (!root.ok()) return reply_status(request, root.status());
  reply_entry(request, slots, *slot, to_slot_entry(*slot, *root));
}

/// "." and ".." come from name_to_handle_at's users: they ask for nodes that the kernel has forgotten.
absl::StatusOr<std::uint32_t> lookup_inode(const cache_index::IndexReader& layer, std::uint32_t parent,
                                           std::string_view name) {
  if (name == ".") return parent;
  if (name == "..") return layer.parent(parent);
  return layer.lookup(parent, name);
}

void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  const Served served(request, Operation::kLookup);
  MountState& state = served.state();
  if (is_mounts_own(parent)) return lookup_in_own(request, state, parent, name);
  const NodeId directory = to_node_id(parent);
  const peer::LayerIndex layer = find_layer(state, parent);
  if (layer == nullptr) return static_cast<void>(fuse_reply_err(request, ESTALE));
  if (directory.inode == cache_index::kRootInode && std::string_view(name) == "..") {
    return reply_own_entry(request, state.slots, kMountRoot);
  }

  const auto number = lookup_inode(*layer, directory.inode, name);
  if (absl::IsNotFound(number.status())) {
    const fuse_entry_param absent = absent_entry();
    fuse_reply_entry(request, &absent);
    return;
  }
  const auto inode = number.ok() ? layer->inode(*number) : number.status();
  if (!inode.ok()) return static_cast<void>(fuse_reply_err(request, EIO));
  touched(request, state, layer, *number);
  reply_entry(request, state.slots, directory.slot, to_entry({directory.slot, *number}, *inode));
}

void forget_node(SlotTable& slots, std::uint64_t node, std::uint64_t times) {
  if (!is_mounts_own(node)) slots.forget(to_node_id(node).slot, times);
}

void forget(fuse_req_t request, fuse_ino_t node, std::uint64_t times) {
  forget_node(Served(request, Operation::kForget).state().slots, node, times);
  fuse_reply_none(request);
}

void forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
  const Served served(request, Operation::kForget);
  MountState& state = served.state();
  for (std::size_t i = 0; i < count; ++i) forget_node(state.slots, forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none(request);
}

// ---- Attributes ----

void getattr(fuse_req_t request, fuse_ino_t node, fuse_file_info*) {
  const Served served(request, Operation::kGetattr);
  MountState& state = served.state();
  if (is_mounts_own(node)) {
    const struct stat own = own_stat(state.slots, node);
    fuse_reply_attr(request, &own, 0);
    return;
  }
  const NodeId id = to_node_id(node);
  const peer::LayerIndex layer = find_layer(state, node);
  if (layer == nullptr) return static_cast<void>(fuse_reply_err(request, ESTALE));
  const auto inode = layer->inode(id.inode);
  if (!inode.ok()) return reply_status(request, inode.status());
  const struct stat attributes = to_stat(id, *inode);
  fuse_reply_attr(request, &attributes, kForever);
}

void readlink(fuse_req_t request, fuse_ino_t node) {
  const Served served(request, Operation::kReadlink);
  MountState& state = served.state();
  const NodeId id = to_node_id(node);
  const peer::LayerIndex layer = find_layer(state, node);
  if (layer == nullptr) return static_cast<void>(fuse_reply_err(request, ESTALE));
  const auto target = layer->symlink_target(id.inode);
  if (!target.ok()) return reply_status(request, target.status());
  if (target->size() >= PATH_MAX) return static_cast<void>(fuse_reply_err(request, ENAMETOOLONG));
  fuse_reply_readlink(request, std::string(*target).c_str());
}

/// Answers `value` the way getxattr(2) and listxattr(2) want it: its length when `size` is 0.
void reply_sized(fuse_req_t request, std::string_view value, std::size_t size) {
  if (size == 0) {
    fuse_reply_xattr(request, value.size());
  } else if (size < value.size()) {
    fuse_reply_err(request, ERANGE);
  } else {
    fuse_reply_buf(request, value.data(), value.size());
  }
}

void getxattr(fuse_req_t request, fuse_ino_t node, const char* name, std::size_t size) {
  const Served served(request, Operation::kGetxattr);
  MountState& state = served.state();
  // ENOSYS: the kernel won't ask again, for any layer that will ever come.
  if (state.xattrs == Xattrs::kAbsent) return static_cast<void>(fuse_reply_err(request, ENOSYS));
  const peer::LayerIndex layer = find_layer(state, node);
  if (layer == nullptr) return static_cast<void>(fuse_reply_err(request, ENODATA));
  const auto value = xattr_value(*layer, to_node_id(node).inode, name);
  if (!value.ok()) return static_cast<void>(fuse_reply_err(request, absl::IsNotFound(value.status()) ? ENODATA : EIO));
  reply_sized(request, *value, size);
}

/// Whose request it is. A kernel that may map ids says nobody's; then it is the owner of the process.
uid_t user_of(fuse_req_t request) {
  const fuse_ctx* const context = fuse_req_ctx(request);
  if (context->uid != static_cast<uid_t>(-1)) return context->uid;
  struct stat process {};
  return ::stat(str_cat("/proc/", context->pid).c_str(), &process) == 0 ? process.st_uid : context->uid;
}

void listxattr(fuse_req_t request, fuse_ino_t node, std::size_t size) {
  const Served served(request, Operation::kListxattr);
  MountState& state = served.state();
  const peer::LayerIndex layer = find_layer(state, node);
  if (layer == nullptr) return reply_sized(request, "", size);  // programs take ENOSYS for a failure here
  const Viewer viewer = user_of(request) == 0 ? Viewer::kSuperuser : Viewer::kOther;
  const auto names = xattr_names(*layer, to_node_id(node).inode, viewer);
  if (!names.ok()) return reply_status(request, names.status());
  reply_sized(request, *names, size);
}

void statfs(fuse_req_t request, fuse_ino_t) {
  const SlotTable::Totals totals = Served(request, Operation::kStatfs).state().slots.totals();
  struct statvfs out {};
  out.f_bsize = out.f_frsize = 4096;
  out.f_blocks = totals.bytes / 4096;
  out.f_files = totals.inodes;
  out.f_namemax = 255;
  fuse_reply_statfs(request, &out);
}

// ---- Directories ----

/// Nothing has to be kept for an open file or directory. Having heard so once, the kernel opens by itself.
void open(fuse_req_t request, fuse_ino_t, fuse_file_info*) {
  const Served served(request, Operation::kOpen);
  fuse_reply_err(request, ENOSYS);
}

void opendir(fuse_req_t request, fuse_ino_t, fuse_file_info*) {
  const Served served(request, Operation::kOpendir);
  fuse_reply_err(request, ENOSYS);
}

void reply_page(fuse_req_t request, SlotTable& slots, const DirectoryPage& page) {
  for (const std::uint32_t slot : page.looked_up) slots.looked_up(slot);
  if (fuse_reply_buf(request, page.bytes.data(), page.bytes.size()) == 0) return;
  for (const std::uint32_t slot : page.looked_up) slots.forget(slot, 1);
}

void read_entries(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset, Detail detail) {
  const Served served(request, Operation::kReaddir);
  MountState& state = served.state();
  const auto from = static_cast<std::uint64_t>(offset);
  if (node == kMountRoot) {
    return reply_page(request, state.slots, read_mount_root(state.slots, from, size, detail));
  }
  if (is_mounts_own(node)) return static_cast<void>(fuse_reply_buf(request, nullptr, 0));
  const peer::LayerIndex layer = find_layer(state, node);
  if (layer == nullptr) return static_cast<void>(fuse_reply_err(request, ESTALE));
  const auto page = read_directory(*layer, to_node_id(node), from, size, detail);
  if (!page.ok()) return reply_status(request, page.status());
  reply_page(request, state.slots, *page);
}

void readdir(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info*) {
  read_entries(request, node, size, offset, Detail::kNames);
}

void readdirplus(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info*) {
  read_entries(request, node, size, offset, Detail::kAttributes);
}

// ---- Contents ----

/// Called on a serving thread, for a request that libfuse keeps alive meanwhile. The read may have been answered and
/// be gone: `data` is its number, not its address.
void read_interrupted(fuse_req_t request, void* data) {
  const Served served(request, Operation::kInterrupt);
  MountState& state = served.state();
  const auto read = state.reads.find(reinterpret_cast<std::uintptr_t>(data));
  if (read != nullptr) state.interrupts.interrupted(read, fuse_req_ctx(request)->pid);
}

void read(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info*) {
  const Served served(request, Operation::kRead);
  MountState& state = served.state();
  const NodeId id = to_node_id(node);
  peer::LayerIndex layer = find_layer(state, node);
  if (layer == nullptr) return static_cast<void>(fuse_reply_err(request, ESTALE));
  touched(request, state, layer, id.inode);
  state.reads.read(
      {.layer = std::move(layer),
       .file = id,
       .offset = static_cast<std::uint64_t>(offset),
       .size = size,
       .reader = fuse_req_ctx(request)->pid,
       .ahead = is_ahead(request, state)},
      std::make_unique<FuseReadReply>(request), [request](std::uint64_t waiting) {
        fuse_req_interrupt_func(request, read_interrupted, reinterpret_cast<void*>(std::uintptr_t{waiting}));
      });
}

fuse_lowlevel_ops make_operations() {
  fuse_lowlevel_ops ops{};
  ops.init = init;
  ops.lookup = lookup;
  ops.forget = forget;
  ops.forget_multi = forget_multi;
  ops.getattr = getattr;
  ops.readlink = readlink;
  ops.open = open;
  ops.read = read;
  ops.opendir = opendir;
  ops.readdir = readdir;
  ops.readdirplus = readdirplus;
  ops.getxattr = getxattr;
  ops.listxattr = listxattr;
  ops.statfs = statfs;
  return ops;
}

}  // namespace

const fuse_lowlevel_ops& operations() {
  static const fuse_lowlevel_ops ops = make_operations();
  return ops;
}

}  // namespace samara::fuse_fs
