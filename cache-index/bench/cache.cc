// How fast the cache is and what it costs, for tests/bench/cache.
//
// usage: cache_figures speed DIRECTORY          prints MB/s: put (frame bytes), get (content, by processor time of one
//                                               thread), the same of chunks that weren't read before and so are
//                                               verified, and zstd and SHA-256 alone
//        cache_figures fill DIRECTORY ROWS      makes a cache of so many chunk rows, 1000 a blob, without their bytes
//        cache_figures rows DIRECTORY           opens that one, looks 200,000 chunks up at random; prints MiB of memory
//                                               that the process holds, and us a lookup
//        cache_figures reopen DIRECTORY         kills a process that is writing to it; prints ms that open() takes then
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/cache.h"
#include "cache_index/frame.h"
#include "cache_index/hasher.h"
#include "cache_rows.h"
#include "frame_content.h"

namespace samara::cache_index {
namespace {

using std::chrono::steady_clock;

constexpr std::uint64_t kRowsInABlob = 1000;
constexpr std::uint32_t kFrameBytes = 100'000;

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

/// Of processor that this thread has had: what is said of a core holds on a busy machine too.
double processor_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

Digest digest_of_number(std::uint64_t number, std::string_view kind) { return sha256(as_bytes(str_cat(kind, number))); }

/// About what binaries compress to: a third of the words come again.
std::string content(std::uint32_t seed, std::size_t size) {
  std::minstd_rand random(seed);
  std::string bytes;
  while (bytes.size() < size) {
    if (random() % 3 == 0 && bytes.size() > 4096) bytes += bytes.substr(bytes.size() - 1 - random() % 4000, 24);
    else for (int i = 0; i < 12; ++i) bytes += static_cast<char>(random() % 3 == 0 ? 0 : random() >> 16);
  }
  bytes.resize(size);
  return bytes;
}

struct Made {
  Chunk chunk;
  std::string frame;
};

absl::Status speed(const std::string& root) {
  constexpr std::uint32_t kCount = 1000, kSize = 256u << 10;
  std::vector<Made> chunks(kCount);
  std::uint64_t offset = 0;
  FrameCompressor compressor;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    const std::string bytes = content(i + 1, kSize);
    chunks[i].frame = compressor.compress(as_bytes(bytes));
    chunks[i].chunk = {.digest = sha256(as_bytes(bytes)), .stream_offset = std::uint64_t{i} * kSize, .stream_size = kSize,
                       .blob_offset = offset, .blob_size = static_cast<std::uint32_t>(chunks[i].frame.size())};
    offset += chunks[i].frame.size();
  }
  SAMARA_ASSIGN_OR_RETURN(const auto cache, Cache::open({.root = root, .limits = {.quota = 100ull << 30, .min_free_bytes = 1 << 20}}));
  const Digest blob = digest_of_number(0, "blob");

  const auto begin = steady_clock::now();
  for (const Made& made : chunks) SAMARA_RETURN_IF_ERROR(cache->put_frame(blob, made.chunk, as_bytes(made.frame)));
  const double put = static_cast<double>(offset) / 1e6 / seconds_since(begin);

  constexpr int kTimes = 4;
  constexpr double kRead = 1e-6 * kTimes * kCount * kSize;
  double start = processor_seconds();
  for (const Made& made : chunks) SAMARA_RETURN_IF_ERROR(cache->read_chunk(made.chunk).status());
  const double first = kRead / kTimes / (processor_seconds() - start);
  start = processor_seconds();
  for (int i = 0; i < kTimes; ++i) {
    for (const Made& made : chunks) SAMARA_RETURN_IF_ERROR(cache->read_chunk(made.chunk).status());
  }
  const double get = kRead / (processor_seconds() - start);

  std::vector<std::uint8_t> out(kSize);
  start = processor_seconds();
  for (int i = 0; i < kTimes; ++i) {
    for (const Made& made : chunks) SAMARA_RETURN_IF_ERROR(decompress_frame(as_bytes(made.frame), out));
  }
  const double zstd = kRead / (processor_seconds() - start);
  start = processor_seconds();
  for (std::uint32_t i = 0; i < kTimes * kCount; ++i) (void)sha256(out);
  const double hash = kRead / (processor_seconds() - start);
  std::printf("%.0f %.0f %.0f %.0f %.0f\n", put, get, first, zstd, hash);
  return absl::OkStatus();
}

absl::Status fill(const std::string& root, std::uint64_t rows) {
  SAMARA_ASSIGN_OR_RETURN(const auto cache, Cache::open({.root = root}));
  std::vector<Store::Change> changes;
  for (std::uint64_t i = 0; i < rows; ++i) {
    const Digest blob = digest_of_number(i / kRowsInABlob, "blob");
    if (i % kRowsInABlob == 0) {
      const std::string path = cache->object_path(blob);
      SAMARA_RETURN_IF_ERROR(make_directories(path.substr(0, path.rfind('/'))));
      SAMARA_RETURN_IF_ERROR(open_file(path, O_WRONLY | O_CREAT).status());
      changes.push_back({kObjectsTable, blob.key(), encode(ObjectRow{.kind = ObjectRow::Kind::kBlob})});
    }
    const ChunkRow row{.blob = blob, .offset = i % kRowsInABlob * kFrameBytes, .frame_size = kFrameBytes,
                       .stream_size = 256u << 10, .last_use = 1'700'000'000 + i};
    changes.push_back({kChunksTable, digest_of_number(i, "chunk").key(), encode(row)});
    if (changes.size() >= 1000) {
      SAMARA_RETURN_IF_ERROR(cache->store().write(changes));
      changes.clear();
    }
  }
  return cache->store().write(changes);
}

/// VmRSS in MiB.
double resident_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kib = 0;
    if (word == "VmRSS:" && status >> kib) return kib / 1024;
  }
  return 0;
}

absl::Status rows(const std::string& root) {
  constexpr std::uint64_t kLookups = 200'000;
  SAMARA_ASSIGN_OR_RETURN(const auto cache, Cache::open({.root = root}));
  const std::uint64_t all = cache->usage()->objects * kRowsInABlob;
  std::mt19937_64 random(1);
  const auto start = steady_clock::now();
  for (std::uint64_t i = 0; i < kLookups; ++i) {  // every second one isn't there
    const bool there = i % 2 == 0;
    const std::uint64_t number = random() % all + (there ? 0 : all);
    if (cache->has_chunk(digest_of_number(number, "chunk")) != there) return absl::InternalError(str_cat("chunk ", number));
  }
  const double each = seconds_since(start) * 1e6 / kLookups;
  std::printf("%.1f %.2f\n", resident_mib(), each);
  return absl::OkStatus();
}

absl::Status reopen(const std::string& root) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return errno_status(errno, "pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    const auto cache = Cache::open({.root = root});
    if (!cache.ok()) ::_exit(1);
    for (std::uint64_t i = 0;; ++i) {
      const ChunkRow row{.blob = digest_of_number(0, "blob"), .offset = 0, .frame_size = kFrameBytes, .stream_size = 1};
      if (!(*cache)->store().write({{kChunksTable, digest_of_number(i, "more").key(), encode(row)}}).ok()) ::_exit(2);
      if (i == 150'000 && ::write(pipe[1], ".", 1) != 1) ::_exit(3);
    }
  }
  ::close(pipe[1]);
  char byte = 0;
  const bool wrote = ::read(pipe[0], &byte, 1) == 1;
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(pipe[0]);
  if (!wrote) return absl::InternalError("the process that writes failed");
  const auto start = steady_clock::now();
  SAMARA_RETURN_IF_ERROR(Cache::open({.root = root}).status());
  std::printf("%.0f\n", seconds_since(start) * 1e3);
  return absl::OkStatus();
}

absl::Status run(int argc, char** argv) {
  const std::string verb = argc > 2 ? argv[1] : "";
  if (verb == "speed") return speed(argv[2]);
  if (verb == "fill" && argc == 4) return fill(argv[2], std::stoull(argv[3]));
  if (verb == "rows") return rows(argv[2]);
  if (verb == "reopen") return reopen(argv[2]);
  return absl::InvalidArgumentError("usage: cache_figures speed|rows|reopen DIRECTORY, or fill DIRECTORY ROWS");
}

}  // namespace
}  // namespace samara::cache_index

int main(int argc, char** argv) {
  const absl::Status status = samara::cache_index::run(argc, argv);
  if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
