// Any bytes at all as a row of the cache: an error, or a row that its encoder would have written.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "cache_rows.h"

namespace {

using namespace samara::cache_index;

void expect_same(const std::string& again, std::string_view row) {
  if (again != row) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view row(reinterpret_cast<const char*>(data), size);
  if (const auto object = decode_object_row(row); object.ok()) expect_same(encode(*object), row);
  if (const auto chunk = decode_chunk_row(row); chunk.ok()) expect_same(encode(*chunk), row);
  if (const auto pin = decode_pin("name", row); pin.ok()) expect_same(encode(*pin), row);
  const std::string_view key = row.substr(0, std::min<std::size_t>(row.size(), 33));
  if (const auto layer = decode_layer_record(key, row.substr(key.size())); layer.ok()) {
    expect_same(encode(*layer), row.substr(key.size()));
  }
  return 0;
}
