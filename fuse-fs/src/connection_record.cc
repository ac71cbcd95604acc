#include "connection_record.h"

#include "absl/strings/escaping.h"
#include "base/config.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::fuse_fs {
namespace {

constexpr std::int64_t kVersion = 1;

/// A TOML string of any text.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

absl::StatusOr<std::string> from_hex(std::string_view key, std::string_view digits) {
  for (const char c : digits) {
    if (std::string_view("0123456789abcdef").find(c) == std::string_view::npos) {
      return absl::InvalidArgumentError(str_cat(key, " isn't hexadecimal"));
    }
  }
  if (digits.size() % 2 != 0) return absl::InvalidArgumentError(str_cat(key, " is cut short"));
  return absl::HexStringToBytes(to_absl(digits));
}

}  // namespace

absl::Status save(const ConnectionRecord& record, const std::string& path) {
  return write_file_atomic(path, str_cat("version = ", kVersion, "\nmountpoint = ", quoted(record.mountpoint),
                                         "\ndevice = ", quoted(record.device),
                                         "\nrequest = ", quoted(absl::BytesToHexString(record.agreement.request)),
                                         "\nreply = ", quoted(absl::BytesToHexString(record.agreement.reply)), "\n"),
                           0600);
}

absl::StatusOr<ConnectionRecord> load_connection_record(const std::string& path) {
  SAMARA_ASSIGN_OR_RETURN(Config config, Config::load(path));
  if (config.number("version", 0) != kVersion) return absl::InvalidArgumentError(str_cat(path, ": another version"));
  ConnectionRecord record;
  record.mountpoint = config.text("mountpoint");
  record.device = config.text("device");
  SAMARA_ASSIGN_OR_RETURN(record.agreement.request, from_hex("request", config.text("request")));
  SAMARA_ASSIGN_OR_RETURN(record.agreement.reply, from_hex("reply", config.text("reply")));
  SAMARA_RETURN_IF_ERROR(config.finish());
  SAMARA_RETURN_IF_ERROR(annotate(check(record.agreement), path));
  return record;
}

}  // namespace samara::fuse_fs
