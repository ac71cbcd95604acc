#include "fetch_metrics.h"

#include <string>

namespace samara::peer {
namespace {

std::string name_of(std::size_t i) { return std::string(to_string(static_cast<FetchClass>(i))); }

const std::vector<double>& second_buckets() {
  static const std::vector<double> buckets = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                              0.2,    0.5,   1,     2,     5,    10,   30,   120};
  return buckets;
}

FetchMetrics::Given given_from(Metrics& metrics, const std::string& source) {
  FetchMetrics::Given given;
  for (std::size_t i = 0; i < kFetchClasses; ++i) {
    const Metrics::Labels labels = {{"source", source}, {"class", name_of(i)}};
    given.chunks[i] = &metrics.counter("samara_chunks_total", "Chunks given out or prefetched, by where they came from", labels);
    given.bytes[i] = &metrics.counter("samara_chunk_bytes_total", "Bytes of the frames of those chunks", labels);
  }
  return given;
}

}  // namespace

FetchMetrics::FetchMetrics(Metrics& metrics, const std::vector<RangeSource*>& sources)
    : from_memory(given_from(metrics, "memory")),
      from_cache(given_from(metrics, "cache")),
      waiting(metrics.gauge("samara_fetch_queue_chunks", "Chunks that wait to be fetched or looked up")),
      memory(metrics.gauge("samara_chunk_memory_bytes", "Uncompressed chunks that are kept in memory")),
      not_stored(metrics.counter("samara_chunks_not_stored_total", "Chunks that the cache could not take")) {
  for (std::size_t i = 0; i < kFetchClasses; ++i) {
    dropped[i] = &metrics.counter("samara_fetch_dropped_chunks_total", "Chunks that no source gave and nobody tries again",
                                  {{"class", name_of(i)}});
    seconds[i] = &metrics.histogram("samara_fetch_seconds", "From asking for a chunk to having it, of fetched chunks",
                                    second_buckets(), {{"class", name_of(i)}});
  }
  for (std::size_t i = 0; i < kSlowCauses; ++i) {
    stalls[i] = &metrics.counter("samara_fetch_stalls_total", "Chunks that a read waited for more than 100 ms, by cause",
                                 {{"cause", std::string(to_string(static_cast<SlowCause>(i)))}});
  }
  for (const RangeSource* source : sources) {
    const std::string name(source->name());
    sources_[source] = {
        .given = given_from(metrics, name),
        .bytes = &metrics.counter("samara_fetched_bytes_total", "Bytes of frames that came from a source", {{"source", name}}),
        .wrong = &metrics.counter("samara_verification_failures_total", "Frames that a source gave with wrong bytes",
                                  {{"source", name}})};
  }
}

}  // namespace samara::peer
