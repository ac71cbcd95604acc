// Any bytes at all, pushed in uneven pieces: no crash, no hang, and every byte of the tar is handed out once.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tar_reader.h"
#include "tree_builder.h"

namespace {

using namespace samara::convert;

class Counter : public TarSink {
 public:
  absl::Status framing(std::span<const std::uint8_t> bytes) override {
    bytes_ += bytes.size();
    return absl::OkStatus();
  }
  absl::StatusOr<Data> entry(const TarEntry& entry) override {
    const auto node = tree_.add(entry);
    if (!node.ok()) return node.status();
    return *node ? Data::kKeep : Data::kSkip;
  }
  absl::Status data(std::span<const std::uint8_t> bytes) override { return framing(bytes); }
  absl::Status hole(std::uint64_t size) override { return tree_.add_hole(size); }

  std::uint64_t bytes() const { return bytes_; }

 private:
  TreeBuilder tree_{TreeBuilder::Limits{.tree_bytes = 64u << 20}};
  std::uint64_t bytes_ = 0;
};

/// Puts the checksum right in every block that says "ustar", so that mutations get past it.
void sign_headers(std::vector<std::uint8_t>& tar) {
  for (std::size_t at = 0; at + 512 <= tar.size(); at += 512) {
    std::uint8_t* block = tar.data() + at;
    if (std::memcmp(block + 257, "ustar", 5) != 0) continue;
    std::memset(block + 148, ' ', 8);
    unsigned sum = 0;
    for (std::size_t i = 0; i < 512; ++i) sum += block[i];
    char digits[8];
    std::snprintf(digits, sizeof digits, "%06o", sum);
    std::memcpy(block + 148, digits, 7);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> tar(data, data + size);
  sign_headers(tar);
  Counter sink;
  TarReader reader(sink);
  std::span<const std::uint8_t> left(tar);
  std::size_t step = size % 700 + 1;
  bool good = true;
  while (good && !left.empty()) {
    const auto piece = left.first(std::min(step, left.size()));
    left = left.subspan(piece.size());
    step = step * 7 % 1021 + 1;
    good = reader.push(piece).ok();
  }
  if (good && (reader.tar_size() != size || sink.bytes() != size)) std::abort();
  (void)reader.finish();
  return 0;
}
