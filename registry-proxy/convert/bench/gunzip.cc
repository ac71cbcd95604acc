// isa-l against zlib on real layers: a table of cache-index/docs/defaults.md.
//
// usage: gunzip_figures LAYER.tar.gz…
//
// Prints, for each library, MB of tar a second of processor time over all the layers, which lie in memory, with output
// in pieces of 256 KiB as a conversion takes them.
#include <isa-l/igzip_lib.h>
#include <time.h>
#include <zlib.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"

namespace {

constexpr std::size_t kPiece = 256u << 10;

double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Bytes inside the first member, which is all that the layers here have.
std::uint64_t by_isal(std::string& packed, std::vector<std::uint8_t>& out) {
  const auto state = std::make_unique<inflate_state>();
  isal_inflate_init(state.get());
  state->crc_flag = ISAL_GZIP;
  state->next_in = reinterpret_cast<std::uint8_t*>(packed.data());
  state->avail_in = static_cast<std::uint32_t>(packed.size());
  std::uint64_t size = 0;
  while (state->block_state != ISAL_BLOCK_FINISH) {
    state->next_out = out.data();
    state->avail_out = static_cast<std::uint32_t>(out.size());
    if (isal_inflate(state.get()) != ISAL_DECOMP_OK) std::abort();
    size += out.size() - state->avail_out;
  }
  return size;
}

std::uint64_t by_zlib(std::string& packed, std::vector<std::uint8_t>& out) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) std::abort();
  stream.next_in = reinterpret_cast<std::uint8_t*>(packed.data());
  stream.avail_in = static_cast<unsigned>(packed.size());
  std::uint64_t size = 0;
  for (int result = Z_OK; result != Z_STREAM_END;) {
    stream.next_out = out.data();
    stream.avail_out = static_cast<unsigned>(out.size());
    result = inflate(&stream, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END) std::abort();
    size += out.size() - stream.avail_out;
  }
  inflateEnd(&stream);
  return size;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> layers;
  for (int i = 1; i < argc; ++i) {
    auto bytes = samara::read_file(argv[i], 1u << 30);
    if (!bytes.ok()) {
      std::fprintf(stderr, "%s\n", std::string(bytes.status().message()).c_str());
      return 1;
    }
    layers.push_back(*std::move(bytes));
  }
  std::vector<std::uint8_t> out(kPiece);
  for (const auto& [name, unpack] : {std::pair{"isa-l", &by_isal}, std::pair{"zlib", &by_zlib}}) {
    std::uint64_t bytes = 0;
    const double begin = cpu_seconds();
    for (std::string& layer : layers) bytes += unpack(layer, out);
    std::printf("%-6s %6.0f MB/s\n", name, static_cast<double>(bytes) / 1e6 / (cpu_seconds() - begin));
  }
}
