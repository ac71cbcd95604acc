#include "agreement.h"

#include <linux/fuse.h>

#include <cstddef>
#include <cstring>

namespace samara::fuse_fs {
namespace {

// Of newer headers than Debian 12's. Source: linux/fuse.h of Linux 6.9.
constexpr std::int32_t kNotifyResend = 7;
constexpr std::uint32_t kHasResend = 1u << (39 - 32);  // in flags2
constexpr std::uint32_t kAllowIdmap = 1u << (40 - 32);  // in flags2; Linux 6.12

constexpr std::size_t kRequestSize = sizeof(fuse_in_header) + sizeof(fuse_init_in);

template <typename T>
T read_at(std::string_view bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

template <typename T>
void write_at(std::string& bytes, std::size_t offset, const T& value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

}  // namespace

absl::Status check(const Agreement& agreement) {
  // Kernels before 5.17 send a shorter request; none that old has any of this.
  if (agreement.request.size() < kRequestSize) return absl::InvalidArgumentError("a FUSE_INIT that is too short");
  const auto in = read_at<fuse_in_header>(agreement.request, 0);
  if (in.opcode != FUSE_INIT || in.len != agreement.request.size()) {
    return absl::InvalidArgumentError("not a FUSE_INIT request");
  }
  if (agreement.reply.size() < sizeof(fuse_out_header) + sizeof(fuse_init_out)) {
    return absl::InvalidArgumentError("an answer to FUSE_INIT that is too short");
  }
  const auto out = read_at<fuse_out_header>(agreement.reply, 0);
  if (out.len != agreement.reply.size() || out.error != 0) return absl::InvalidArgumentError("FUSE_INIT was refused");
  return absl::OkStatus();
}

std::string request_again(const Agreement& agreement) {
  std::string request = agreement.request;
  auto in = read_at<fuse_init_in>(request, sizeof(fuse_in_header));
  const auto out = read_at<fuse_init_out>(agreement.reply, sizeof(fuse_out_header));
  in.flags &= out.flags;
  in.flags2 &= out.flags2;
  write_at(request, sizeof(fuse_in_header), in);
  return request;
}

bool can_resend(const Agreement& agreement) {
  const auto in = read_at<fuse_init_in>(agreement.request, sizeof(fuse_in_header));
  return (in.flags & FUSE_INIT_EXT) != 0 && (in.flags2 & kHasResend) != 0;
}

void allow_id_mapped_mounts(Agreement& agreement) {
  const auto in = read_at<fuse_init_in>(agreement.request, sizeof(fuse_in_header));
  if ((in.flags & FUSE_INIT_EXT) == 0 || (in.flags2 & kAllowIdmap) == 0) return;
  auto out = read_at<fuse_init_out>(agreement.reply, sizeof(fuse_out_header));
  out.flags |= FUSE_INIT_EXT;
  out.flags2 |= kAllowIdmap;
  write_at(agreement.reply, sizeof(fuse_out_header), out);
}

std::string resend_notice() {
  const fuse_out_header header{.len = sizeof header, .error = kNotifyResend, .unique = 0};
  return {reinterpret_cast<const char*>(&header), sizeof header};
}

}  // namespace samara::fuse_fs
