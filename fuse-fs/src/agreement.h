#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace samara::fuse_fs {

/// What the kernel asked and libfuse answered when they agreed on a protocol (FUSE_INIT), as it went over /dev/fuse.
/// That happens once in the life of a connection; a process that takes it over must come to the same agreement with
/// its own libfuse.
/// Source: linux/fuse.h, struct fuse_init_in and fuse_init_out.
struct Agreement {
  std::string request;
  std::string reply;
};

/// InvalidArgument when it isn't a request and a reply of their shapes that says yes.
absl::Status check(const Agreement& agreement);

/// The request again, offering just what was agreed on: then a later libfuse can't want more than the kernel does.
std::string request_again(const Agreement& agreement);

/// Whether the kernel can hand out once more what a dead process had read (since Linux 6.9). Without that, who waited
/// for such an answer waits until the connection ends.
bool can_resend(const Agreement& agreement);

/// Says yes in the reply to mounts with their own user and group numbers (id-mapped, FUSE_ALLOW_IDMAP), where the kernel
/// offers that (since Linux 6.12) and Debian 12's libfuse has no word for it. From then on requests that make nothing
/// don't tell whose they are.
void allow_id_mapped_mounts(Agreement& agreement);

/// The message that asks for it, to be written to the connection.
std::string resend_notice();

}  // namespace samara::fuse_fs
