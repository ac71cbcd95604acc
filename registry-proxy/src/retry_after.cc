#include "retry_after.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "base/text.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::seconds;

constexpr const char* kPayload = "samara/retry-after";
constexpr std::int64_t kLongest = 365 * 24 * 3600;  // keeps sums of times in range

std::optional<absl::Time> parse_date(std::string_view value) {
  absl::Time time;
  std::string error;
  for (const char* format : {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"})
    if (absl::ParseTime(format, to_absl(value), absl::UTCTimeZone(), &time, &error)) return time;
  return std::nullopt;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); });
}

}  // namespace

std::optional<seconds> parse_retry_after(std::string_view value, std::chrono::system_clock::time_point now) {
  value = to_std(absl::StripAsciiWhitespace(to_absl(value)));
  if (all_digits(value)) {
    std::int64_t number = 0;
    return seconds(absl::SimpleAtoi(to_absl(value), &number) ? std::min(number, kLongest) : kLongest);
  }
  if (value.size() > 64) return std::nullopt;
  const auto date = parse_date(value);
  if (!date) return std::nullopt;
  const std::int64_t wait = absl::ToInt64Seconds(absl::Ceil(*date - absl::FromChrono(now), absl::Seconds(1)));
  return seconds(std::clamp<std::int64_t>(wait, 0, kLongest));
}

absl::Status with_retry_after(absl::Status status, seconds wait) {
  if (!status.ok()) status.SetPayload(kPayload, absl::Cord(str_cat(wait.count())));
  return status;
}

std::optional<seconds> retry_after(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  std::int64_t count = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &count)) return std::nullopt;
  return seconds(count);
}

absl::Status limited(std::string_view message, const http::Headers& answer, const Clock& clock,
                     std::chrono::milliseconds longest) {
  constexpr seconds kUnsaid{30};
  const seconds wait = parse_retry_after(answer.get("Retry-After"), clock.wall_now()).value_or(kUnsaid);
  return with_retry_after(absl::ResourceExhaustedError(to_absl(message)),
                          std::min(wait, std::chrono::ceil<seconds>(longest)));
}

}  // namespace samara::registry_proxy
