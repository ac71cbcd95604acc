#include "dying_thread.h"

#include <charconv>
#include <csignal>
#include <cstdint>
#include <string>

#include "base/file.h"
#include "base/text.h"

namespace samara::fuse_fs {

bool has_kill_pending(std::string_view status) {
  constexpr std::string_view kKey = "\nSigPnd:\t";
  const std::size_t key = status.find(kKey);
  if (key == std::string_view::npos) return false;
  const std::string_view rest = status.substr(key + kKey.size());
  std::uint64_t pending = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), pending, 16);
  return (pending >> (SIGKILL - 1) & 1) != 0;
}

bool is_dying(pid_t thread) {
  if (thread <= 0) return true;
  const auto status = read_file(str_cat("/proc/", thread, "/status"), 1u << 16);
  return !status.ok() || has_kill_pending(*status);
}

}  // namespace samara::fuse_fs
