#pragma once

#include <cstdint>

namespace samara::fuse_fs {

/// What the kernel calls a file of the mount: (slot + 1) << 32 | inode within the layer. The root of the mount, which
/// lists the slots, is FUSE's own node 1; no layer has it, because a layer's numbers begin at 1 << 32.
///
/// The same layer in the same slot gives the same numbers in every run of the daemon.
struct NodeId {
  std::uint32_t slot = 0;
  std::uint32_t inode = 0;
};

inline constexpr std::uint64_t kMountRoot = 1;
/// An empty directory in the mount's root that isn't listed: another mount may be put there.
inline constexpr std::uint64_t kXattrsDirectory = 2;
inline constexpr char kXattrsName[] = "x";
/// Whether `number` is one of the nodes above, which no layer has.
constexpr bool is_mounts_own(std::uint64_t number) { return number >> 32 == 0; }

/// Slot numbers are below this, so that slot + 1 fits.
inline constexpr std::uint32_t kMaxSlots = 0xffff'ffff;

constexpr std::uint64_t to_number(NodeId id) { return (std::uint64_t{id.slot} + 1) << 32 | id.inode; }

/// `number` is of a layer.
constexpr NodeId to_node_id(std::uint64_t number) {
  return {static_cast<std::uint32_t>((number >> 32) - 1), static_cast<std::uint32_t>(number)};
}

}  // namespace samara::fuse_fs
