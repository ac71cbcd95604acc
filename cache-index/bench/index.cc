// How an index of very many files behaves, for tests/bench/index.
//
// usage: index_figures make FILE        writes the index of a layer of 100,000 files in 2,000 directories
//        index_figures measure FILE     prints: ms to open it, KiB of private memory that the open index costs after
//                                       100,000 lookups, ns a lookup (a name in its directory) at random
//
// Two runs, so that what made the index leaves nothing in the memory of the one that measures.
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "cache_index/index_reader.h"
#include "cache_index/layer_writer.h"

namespace samara::cache_index {
namespace {

constexpr int kDirectories = 2000, kFilesInEach = 50;
constexpr std::uint64_t kFileBytes = 20'000;  // about what a file of a Debian image has

std::string directory_name(int directory) { return str_cat("package-", directory, "-dev"); }
std::string file_name(int directory, int file) { return str_cat("lib", file * 7919 % 1000, "-module-", directory, "-", file, ".so"); }

LayerTree make_tree() {
  LayerTree tree;
  const auto add = [&](std::uint32_t parent, const std::string& name, std::uint32_t mode) {
    LayerNode node;
    node.mode = mode;
    node.mtime_sec = 1'600'000'000;
    tree.nodes.push_back(std::move(node));
    const auto number = static_cast<std::uint32_t>(tree.nodes.size() - 1);
    if (number != 0) tree.nodes[parent].children[name] = number;
    return number;
  };
  add(0, "", S_IFDIR | 0755);
  std::uint64_t offset = 0;
  for (int d = 0; d < kDirectories; ++d) {
    const std::uint32_t directory = add(0, directory_name(d), S_IFDIR | 0755);
    for (int f = 0; f < kFilesInEach; ++f) {
      LayerNode& node = tree.nodes[add(directory, file_name(d, f), S_IFREG | 0644)];
      node.size = kFileBytes;
      node.data_offset = offset;
      offset += (kFileBytes + kStreamAlignment - 1) / kStreamAlignment * kStreamAlignment;
    }
  }
  return tree;
}

std::vector<Chunk> make_chunks(std::uint64_t stream_size, std::uint64_t& blob_size) {
  std::vector<Chunk> chunks;
  constexpr std::uint32_t kSize = 256u << 10, kFrame = 90u << 10;
  for (std::uint64_t at = 0; at < stream_size; at += kSize) {
    const auto size = static_cast<std::uint32_t>(std::min<std::uint64_t>(kSize, stream_size - at));
    chunks.push_back({sha256(as_bytes(std::to_string(at))), at, size, blob_size, kFrame});
    blob_size += kFrame;
  }
  return chunks;
}

absl::Status make(const std::string& path) {
  LayerInfo info;
  info.diff_id = info.blob = sha256({});
  info.tar_size = info.stream_size = std::uint64_t{kDirectories} * kFilesInEach * 20'480;
  const std::vector<Chunk> chunks = make_chunks(info.stream_size, info.blob_size);
  SAMARA_ASSIGN_OR_RETURN(const std::string index, encode_index(make_tree(), info, chunks, {}));
  return write_file_atomic(path, index);
}

/// What this process alone holds. Clean pages of the mapped index are page cache, which the kernel takes back at will
/// and shares with whoever else maps the file; smaps counts those as Private_Clean while there is one process.
std::uint64_t private_kib() {
  std::ifstream rollup("/proc/self/smaps_rollup");
  std::uint64_t sum = 0;
  for (std::string line; std::getline(rollup, line);) {
    if (line.rfind("Private_Dirty:", 0) == 0) sum += std::stoull(line.substr(line.find(':') + 1));
  }
  return sum;
}

absl::Status measure(const std::string& path) {
  using std::chrono::steady_clock;
  std::mt19937 random(1);
  std::vector<std::pair<int, std::string>> wanted;
  for (int i = 0; i < kDirectories * kFilesInEach; ++i) {
    const int d = static_cast<int>(random() % kDirectories);
    wanted.emplace_back(d, file_name(d, static_cast<int>(random() % kFilesInEach)));
  }
  std::vector<std::uint32_t> directories(kDirectories);

  const std::uint64_t before = private_kib();
  const auto opening = steady_clock::now();
  SAMARA_ASSIGN_OR_RETURN(const auto index, IndexReader::open(path));
  const std::chrono::duration<double, std::milli> opened = steady_clock::now() - opening;
  for (int d = 0; d < kDirectories; ++d) {
    SAMARA_ASSIGN_OR_RETURN(directories[static_cast<std::size_t>(d)], index->lookup(kRootInode, directory_name(d)));
  }
  const auto looking = steady_clock::now();
  for (const auto& [directory, name] : wanted) {
    SAMARA_ASSIGN_OR_RETURN(const std::uint32_t inode, index->lookup(directories[static_cast<std::size_t>(directory)], name));
    if (inode == 0) return absl::InternalError("no inode");
  }
  const std::chrono::duration<double, std::nano> looked = steady_clock::now() - looking;
  std::printf("%.3f %lu %.0f\n", opened.count(), private_kib() - before, looked.count() / static_cast<double>(wanted.size()));
  return absl::OkStatus();
}

}  // namespace
}  // namespace samara::cache_index

int main(int argc, char** argv) {
  const std::string verb = argc == 3 ? argv[1] : "";
  if (verb != "make" && verb != "measure") {
    std::fprintf(stderr, "usage: index_figures make|measure FILE\n");
    return 2;
  }
  const absl::Status status =
      verb == "make" ? samara::cache_index::make(argv[2]) : samara::cache_index::measure(argv[2]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
