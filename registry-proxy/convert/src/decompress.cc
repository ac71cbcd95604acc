#include "decompress.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/status.h"

namespace samara::convert {
namespace {

std::uint32_t little_endian32(std::span<const std::uint8_t> b) {
  return b[0] | b[1] << 8 | b[2] << 16 | static_cast<std::uint32_t>(b[3]) << 24;
}

class PlainStream : public ByteStream {
 public:
  explicit PlainStream(std::unique_ptr<InputBuffer> input) : input_(std::move(input)) {}

  absl::StatusOr<std::size_t> read(std::span<std::uint8_t> out) override {
    SAMARA_RETURN_IF_ERROR(input_->fill());
    const std::size_t size = std::min(out.size(), input_->ready().size());
    std::memcpy(out.data(), input_->ready().data(), size);
    input_->consume(size);
    return size;
  }

 private:
  std::unique_ptr<InputBuffer> input_;
};

}  // namespace

Compression sniff(std::span<const std::uint8_t> first_bytes) {
  if (first_bytes.size() >= 3 && first_bytes[0] == 0x1f && first_bytes[1] == 0x8b && first_bytes[2] == 8) {
    return Compression::kGzip;
  }
  if (first_bytes.size() < 4) return Compression::kNone;
  const std::uint32_t magic = little_endian32(first_bytes);
  if (magic == 0xfd2fb528u) return Compression::kZstd;
  const bool skippable = (magic & 0xfffffff0u) == 0x184d2a50u;
  return skippable && first_bytes.size() >= 8 ? Compression::kZstd : Compression::kNone;
}

std::string_view compression_name(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return "gzip";
    case Compression::kZstd:
      return "zstd";
    case Compression::kNone:
      break;
  }
  return "none";
}

absl::StatusOr<std::unique_ptr<ByteStream>> decompress(ByteStream& input) {
  auto buffer = std::make_unique<InputBuffer>(input);
  SAMARA_RETURN_IF_ERROR(buffer->fill(8));
  switch (sniff(buffer->ready())) {
    case Compression::kGzip:
      return make_gzip_stream(std::move(buffer));
    case Compression::kZstd:
      return make_zstd_stream(std::move(buffer));
    case Compression::kNone:
      break;
  }
  return std::make_unique<PlainStream>(std::move(buffer));
}

}  // namespace samara::convert
