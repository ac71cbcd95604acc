// Any bytes as a start's trace, from a site, from a node or from a row: what is accepted comes out the same again, and
// merging it keeps it within its bounds.
#include <algorithm>
#include <cstdlib>

#include "base/file.h"
#include "peer/start_trace.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samara;
  const auto trace = peer::decode_start_trace(as_text({data, size}));
  if (!trace.ok()) return 0;
  if (trace->chunks.size() > peer::kMaxTraceChunks || trace->layers.size() > peer::kMaxTraceLayers) std::abort();
  const std::string text = peer::encode(*trace);
  const auto again = peer::decode_start_trace(text);
  if (text.size() > peer::kMaxTraceBytes || !again.ok()) std::abort();
  peer::StartTrace merged = *trace;
  peer::merge(merged, *again);
  if (merged.chunks.size() > peer::kMaxTraceChunks) std::abort();
  for (const auto& chunk : merged.unused) {
    if (std::find(merged.chunks.begin(), merged.chunks.end(), chunk) == merged.chunks.end()) std::abort();
  }
  return 0;
}
