#include "access_log.h"

#include "base/log.h"
#include "registry_proxy/request_class.h"

namespace samara {
namespace {

double seconds(std::chrono::steady_clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

// Milliseconds with three digits: a warm answer takes less than one.
double milliseconds(std::chrono::steady_clock::duration duration) {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::microseconds>(duration).count()) / 1000;
}

}  // namespace

void AccessLog::note(const http::Request& request, const ObservedResponse& answer, registry_proxy::Source source,
                     std::chrono::steady_clock::time_point start) {
  const auto end = clock_.now();
  const auto first_byte = answer.first_byte().value_or(end);
  const std::string_view kind = registry_proxy::request_class(request);
  const std::string_view from = registry_proxy::to_string(source);
  log::info("request", {{"method", request.method},
                        {"path", request.target.path},
                        {"ns", request.target.query_value("ns")},
                        {"range", request.headers.get("Range")},
                        {"class", kind},
                        {"status", answer.status()},
                        {"bytes", answer.bytes()},
                        {"first_byte_ms", milliseconds(first_byte - start)},
                        {"ms", milliseconds(end - start)},
                        {"source", from},
                        {"client", request.client},
                        {"peer", request.peer}});
  const std::string class_label(kind), source_label(from);
  metrics_.counter("samara_site_requests_total", "Requests answered.",
                   {{"class", class_label}, {"status", std::to_string(answer.status())}, {"source", source_label}})
      .add();
  metrics_.counter("samara_site_sent_bytes_total", "Bytes of bodies sent, by where they came from.",
                   {{"class", class_label}, {"source", source_label}})
      .add(static_cast<double>(answer.bytes()));
  metrics_.histogram("samara_site_first_byte_seconds", "From a request's head to the first byte of its answer.",
                     {0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30},
                     {{"class", class_label}, {"source", source_label}})
      .observe(seconds(first_byte - start));
}

}  // namespace samara
