// Any bytes as an index: asked for everything, they must answer or refuse, never crash, hang or take memory.
#include <cstdint>
#include <string>

#include "base/file.h"
#include "cache_index/index_reader.h"
#include "walk_index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMaxSteps = 20'000;
  std::string index(reinterpret_cast<const char*>(data), size);
  samara::cache_index::seal_header(index);  // or hardly any input would get past the header's checksum
  const auto reader = samara::cache_index::IndexReader::view(samara::as_bytes(index));
  if (reader.ok()) samara::cache_index::walk_index(**reader, kMaxSteps);
  return 0;
}
