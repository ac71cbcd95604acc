#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/byte_stream.h"
#include "input_buffer.h"

namespace samara::convert {

enum class Compression { kNone, kGzip, kZstd };

/// What the first bytes say (eight are enough): gzip's or zstd's magic, a skippable zstd frame's too; anything else,
/// nothing at all included, is taken for a plain tar.
/// Source: RFC 1952 §2.3.1, RFC 8878 §3.1.
Compression sniff(std::span<const std::uint8_t> first_bytes);
std::string_view compression_name(Compression compression);

/// The bytes inside `input`, which the result borrows. Blocks until the first bytes of `input` are there.
///
/// gzip: several members, each checked by CRC-32 and length (RFC 1952); zero bytes after the last member are padding,
/// anything else there is an error, as it is to containerd.
/// zstd: several frames, skippable ones too, checksums checked where present; a window of at most 128 MiB (RFC 8878).
/// Reading to the end consumes `input` to its end.
///
/// Errors: DataLoss (corrupt or cut short, saying after how many bytes), Unimplemented (a zstd window above the limit
/// or a dictionary), and those of `input`.
/// Threads: one.
absl::StatusOr<std::unique_ptr<ByteStream>> decompress(ByteStream& input);

std::unique_ptr<ByteStream> make_gzip_stream(std::unique_ptr<InputBuffer> input);
std::unique_ptr<ByteStream> make_zstd_stream(std::unique_ptr<InputBuffer> input);

}  // namespace samara::convert
