// What other chunk sizes and zstd parameters would make of converted layers: the tables of docs/defaults.md.
//
// usage: chunk_parameters LAYER_DIRECTORY…      as `samara convert` writes them: index and blob
//
// A line for each choice: bytes of data that no earlier chunk holds, number of chunks, bytes of the blobs, MB/s of one
// core to compress and to decompress. Content is stored once over all the layers given, in their order, so that layers
// of two versions of one image show what the second adds.
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <zstd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "base/status.h"
#include "cache_index/frame.h"
#include "cache_index/hasher.h"
#include "cache_index/index_reader.h"
#include "cache_index/tar_stream.h"
#include "chunker.h"
#include "frame_content.h"

namespace samara::cache_index {
namespace {

struct Parameters {
  std::string name;
  int level;
  int min_match = 0, hash_log = 0, chain_log = 0;  // 0: what the level says
};

const Parameters kChosen{"chosen", 3, kFrameParameters.min_match, kFrameParameters.hash_log, kFrameParameters.chain_log};

/// Compared at the format's chunk size.
const Parameters kCompared[] = {
    {"level 1", 1},
    {"level 2", 2},
    {"level 3", 3},
    {"level 3, minMatch 4", 3, 4},
    {"level 4", 4},
    {"level 6", 6},
    {"level 9", 9},
    {"level 3, minMatch 4, tables 2^14 2^12", 3, 4, 14, 12},
    {"level 3, minMatch 4, tables 2^15 2^14", 3, 4, 15, 14},
    {"level 3, minMatch 5, tables 2^15 2^14", 3, 5, 15, 14},
    {"level 3, minMatch 5, tables 2^14 2^13", 3, 5, 14, 13},
    {"level 3, minMatch 5, tables 2^13 2^13", 3, 5, 13, 13},
};

struct Cost {
  std::uint64_t data = 0, blob = 0;
  std::size_t chunks = 0;
  double compress = 0, decompress = 0;  // seconds
};

double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// The data stream of a layer, and where big files begin and end.
struct Stream {
  std::string bytes;
  std::map<std::uint64_t, std::uint64_t> files;  // offset -> size
};

absl::StatusOr<Stream> load(const std::string& directory) {
  SAMARA_ASSIGN_OR_RETURN(const auto index, IndexReader::open(directory + "/index"));
  SAMARA_ASSIGN_OR_RETURN(const Fd blob, open_file(directory + "/blob", O_RDONLY));
  const ChunkSource source = blob_file_source(blob.get());
  Stream stream;
  for (std::uint32_t i = 0; i < index->info().chunk_count; ++i) {
    SAMARA_ASSIGN_OR_RETURN(const Chunk chunk, index->chunk(i));
    const absl::StatusOr<std::string> bytes = source(chunk);
    if (!bytes.ok()) return bytes.status();
    stream.bytes += *bytes;
  }
  for (std::uint32_t i = 1; i <= index->info().inode_count; ++i) {
    SAMARA_ASSIGN_OR_RETURN(const Inode inode, index->inode(i));
    if (S_ISREG(inode.mode) && inode.size > 0) stream.files[inode.data_offset] = inode.size;
  }
  return stream;
}

std::vector<std::string_view> cut(const Stream& stream, const ChunkSizes& sizes) {
  std::vector<std::uint64_t> forced;
  for (const auto& [offset, size] : stream.files) {
    if (size < sizes.average) continue;
    forced.push_back(offset);
    forced.push_back((offset + size + kStreamAlignment - 1) / kStreamAlignment * kStreamAlignment);
  }
  forced.push_back(stream.bytes.size());
  std::vector<std::string_view> chunks;
  std::uint64_t begin = 0;
  for (const std::uint64_t end : forced) {
    Chunker chunker(sizes);
    const std::uint64_t stop = std::clamp<std::uint64_t>(end, begin, stream.bytes.size());
    std::string_view left = std::string_view(stream.bytes).substr(begin, stop - begin);
    while (!left.empty()) {
      const std::size_t size = chunker.advance(as_bytes(left));
      chunks.push_back(left.substr(0, size));
      left.remove_prefix(size);
      chunker.cut();
    }
    begin = std::max(begin, end);
  }
  return chunks;
}

/// All chunks of all layers, each content once.
std::vector<std::string_view> cut_all(const std::vector<Stream>& streams, std::uint32_t average) {
  std::set<Digest> seen;
  std::vector<std::string_view> unique;
  double seconds = 0, bytes = 0;
  for (const Stream& stream : streams) {
    const double begin = cpu_seconds();
    const std::vector<std::string_view> chunks = cut(stream, {average / 4, average, average * 4});
    seconds += cpu_seconds() - begin;
    bytes += static_cast<double>(stream.bytes.size());
    for (const std::string_view chunk : chunks) {
      if (seen.insert(sha256(as_bytes(chunk))).second) unique.push_back(chunk);
    }
  }
  std::printf("average %u KiB, cut at %.0f MB/s\n", average >> 10, bytes / 1e6 / seconds);
  return unique;
}

void measure(const std::vector<std::string_view>& chunks, const Parameters& p) {
  Cost cost;
  ZSTD_CCtx* compressor = ZSTD_createCCtx();
  ZSTD_DCtx* decompressor = ZSTD_createDCtx();
  const auto set = [&](ZSTD_cParameter parameter, int value) {
    if (value != 0) ZSTD_CCtx_setParameter(compressor, parameter, value);
  };
  ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel, p.level);
  set(ZSTD_c_minMatch, p.min_match);
  set(ZSTD_c_hashLog, p.hash_log);
  set(ZSTD_c_chainLog, p.chain_log);
  std::string frame(ZSTD_compressBound(4u << 20), '\0'), back(4u << 20, '\0');
  for (const std::string_view chunk : chunks) {
    const double begin = cpu_seconds();
    const std::size_t size = ZSTD_compress2(compressor, frame.data(), frame.size(), chunk.data(), chunk.size());
    const double between = cpu_seconds();
    const std::size_t written = ZSTD_decompressDCtx(decompressor, back.data(), back.size(), frame.data(), size);
    cost.decompress += cpu_seconds() - between;
    cost.compress += between - begin;
    if (ZSTD_isError(size) || written != chunk.size()) std::abort();
    cost.data += chunk.size();
    cost.blob += size;
    ++cost.chunks;
  }
  ZSTD_freeCCtx(compressor);
  ZSTD_freeDCtx(decompressor);
  const double megabytes = static_cast<double>(cost.data) / 1e6;
  std::printf("  %-38s %12lu %6zu %12lu  %6.0f MB/s  %6.0f MB/s\n", p.name.c_str(), cost.data, cost.chunks, cost.blob,
              megabytes / cost.compress, megabytes / cost.decompress);
  std::fflush(stdout);
}

}  // namespace
}  // namespace samara::cache_index

int main(int argc, char** argv) {
  using namespace samara::cache_index;
  std::vector<Stream> streams;
  for (int i = 1; i < argc; ++i) {
    absl::StatusOr<Stream> stream = load(argv[i]);
    if (!stream.ok()) {
      std::fprintf(stderr, "%s: %s\n", argv[i], std::string(stream.status().message()).c_str());
      return 1;
    }
    streams.push_back(*std::move(stream));
  }
  for (const std::uint32_t average : {64u << 10, 128u << 10, 256u << 10, 512u << 10, 1u << 20}) {
    const std::vector<std::string_view> chunks = cut_all(streams, average);
    measure(chunks, kChosen);
    if (average != kAverageChunkBytes) continue;
    for (const Parameters& parameters : kCompared) measure(chunks, parameters);
  }
}
