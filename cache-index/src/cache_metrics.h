#pragma once

#include "base/metrics.h"

namespace samara::cache_index {

/// What a cache counts. Threads: any.
struct CacheMetrics {
  explicit CacheMetrics(Metrics& metrics)
      : bytes(metrics.gauge("samara_cache_bytes", "Disk that the cache takes.")),
        limit(metrics.gauge("samara_cache_limit_bytes", "Disk that the cache may take now; 0 without a limit.")),
        pinned(metrics.gauge("samara_cache_pinned_bytes", "Bytes that the last eviction had to leave alone.")),
        evicted_chunks(metrics.counter("samara_cache_evictions_total", kEvictions, {{"what", "chunk"}})),
        evicted_objects(metrics.counter("samara_cache_evictions_total", kEvictions, {{"what", "object"}})),
        evicted_bytes(metrics.counter("samara_cache_evicted_bytes_total", "Bytes of what was evicted.")),
        refused(metrics.counter("samara_cache_refused_total", "Writes for which there was no room.")),
        chunk_hits(metrics.counter("samara_cache_reads_total", kReads, {{"what", "chunk"}, {"result", "hit"}})),
        chunk_misses(metrics.counter("samara_cache_reads_total", kReads, {{"what", "chunk"}, {"result", "miss"}})),
        object_hits(metrics.counter("samara_cache_reads_total", kReads, {{"what", "object"}, {"result", "hit"}})),
        object_misses(metrics.counter("samara_cache_reads_total", kReads, {{"what", "object"}, {"result", "miss"}})) {}

  Metrics::Gauge &bytes, &limit, &pinned;
  Metrics::Counter &evicted_chunks, &evicted_objects, &evicted_bytes, &refused;
  Metrics::Counter &chunk_hits, &chunk_misses, &object_hits, &object_misses;

 private:
  static constexpr char kEvictions[] = "Chunks and whole objects that were evicted.";
  static constexpr char kReads[] = "Reads of chunks and whole objects, by whether they were here.";
};

}  // namespace samara::cache_index
