// Any bytes at all as a compressed layer: no crash, no hang, no reading past what is there.
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "decompress.h"

namespace {

class Bytes : public samara::ByteStream {
 public:
  explicit Bytes(std::span<const std::uint8_t> bytes) : left_(bytes) {}
  absl::StatusOr<std::size_t> read(std::span<std::uint8_t> out) override {
    const std::size_t size = std::min({out.size(), left_.size(), left_.size() % 97 + 1});
    std::memcpy(out.data(), left_.data(), size);
    left_ = left_.subspan(size);
    return size;
  }

 private:
  std::span<const std::uint8_t> left_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes input({data, size});
  auto stream = samara::convert::decompress(input);
  std::vector<std::uint8_t> buffer(64u << 10);
  std::uint64_t total = 0;
  while (stream.ok() && total < 16u << 20) {
    const auto got = (*stream)->read(buffer);
    if (!got.ok() || *got == 0) break;
    total += *got;
  }
  return 0;
}
