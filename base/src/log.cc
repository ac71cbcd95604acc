#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "absl/strings/escaping.h"
#include "base/text.h"

namespace samara::log {
namespace {

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("samara", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("time=%Y-%m-%dT%H:%M:%S.%eZ level=%l %v", spdlog::pattern_time_type::utc);
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

bool is_plain(std::string_view value) {
  for (const char c : value)
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 127) return false;
  return !value.empty();
}

void append_value(std::string& line, std::string_view value) {
  if (is_plain(value)) {
    line.append(value);
  } else {
    str_append(&line, "\"", absl::CHexEscape(to_absl(value)), "\"");
  }
}

void write(spdlog::level::level_enum level, std::string_view message, Fields fields) {
  if (!logger().should_log(level)) return;
  std::string line = "msg=";
  append_value(line, message);
  for (const Field& field : fields) {
    line.append(" ").append(field.key()).append("=");
    append_value(line, field.value());
  }
  logger().log(level, "{}", line);
}

}  // namespace

Field::Field(std::string_view key, const absl::Status& status) : key_(key), value_(status.ToString()) {}
Field::Field(std::string_view key, double value) : key_(key), value_(str_cat(value)) {}

void debug(std::string_view message, Fields fields) { write(spdlog::level::debug, message, fields); }
void info(std::string_view message, Fields fields) { write(spdlog::level::info, message, fields); }
void warning(std::string_view message, Fields fields) { write(spdlog::level::warn, message, fields); }
void error(std::string_view message, Fields fields) { write(spdlog::level::err, message, fields); }

bool set_level(std::string_view name) {
  if (name == "debug") logger().set_level(spdlog::level::debug);
  else if (name == "info") logger().set_level(spdlog::level::info);
  else if (name == "warning") logger().set_level(spdlog::level::warn);
  else if (name == "error") logger().set_level(spdlog::level::err);
  else return false;
  return true;
}

}  // namespace samara::log
