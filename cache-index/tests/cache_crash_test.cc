#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <thread>

#include "cache_fixture.h"
#include "crash_checks.h"
#include "file_faults.h"

/// kill -9 under load, at random points and with writes that fail: what was acknowledged is there and right, and nothing
/// that is there is wrong. Two of these programs are built: one with a few rounds, one (label long) with hundreds.
#ifndef SAMARA_CRASH_ROUNDS
#define SAMARA_CRASH_ROUNDS 12
#endif

namespace samara::cache_index {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kRounds = SAMARA_CRASH_ROUNDS;
constexpr std::uint32_t kWriters = 3, kPerWriter = 60, kChunks = kWriters * kPerWriter;

/// Chunk `i` of round `round`: compressible, different from all others, 1 to 40 KiB.
MadeChunk numbered_chunk(std::uint32_t round, std::uint32_t i) {
  std::minstd_rand random(round * 1000 + i + 1);
  std::string bytes(1024 + random() % (40u << 10), '\0');
  for (char& byte : bytes) byte = static_cast<char>('a' + random() % 16);
  return make_chunk(std::move(bytes), (std::uint64_t{i} * 7919 % kChunks) * (48u << 10));
}

Digest blob_of(std::uint32_t round, std::uint32_t i) { return digest_of(std::to_string(round) + "/" + std::to_string(i % 2)); }
std::string object_bytes(std::uint32_t round, std::uint32_t i) { return numbered_chunk(round + 5000, i).bytes; }

struct Load {
  bool evict = false;
  FaultOdds faults;
};

/// Says on the pipe what was acknowledged: the number of a chunk, or kChunks + that of an object.
void acknowledge(int pipe, std::uint32_t what) {
  if (::write(pipe, &what, sizeof what) != sizeof what) ::_exit(3);
}

void store_some(Cache& cache, std::uint32_t round, std::uint32_t writer, int pipe) {
  for (std::uint32_t i = writer; i < kChunks; i += kWriters) {
    const MadeChunk made = numbered_chunk(round, i);
    if (cache.put_frame(blob_of(round, i), made.chunk, as_bytes(made.frame)).ok()) acknowledge(pipe, i);
    if (i % 8 == 0) {
      const std::string bytes = object_bytes(round, i);
      if (cache.put_object(digest_of(bytes), as_bytes(bytes)).ok()) acknowledge(pipe, kChunks + i);
    }
    (void)cache.read_chunk(made.chunk);
  }
}

[[noreturn]] void run_load(const std::string& root, std::uint32_t round, const Load& load, int pipe) {
  const auto cache = Cache::open({.root = root});
  if (!cache.ok()) ::_exit(1);
  const FileFaults faults(load.faults, round);
  std::vector<std::thread> threads;
  for (std::uint32_t writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] { store_some(**cache, round, writer, pipe); });
  }
  std::thread([&] {
    while (load.evict) (void)(*cache)->evict_to((*cache)->usage()->disk_bytes - (200u << 10));
  }).detach();
  for (std::thread& thread : threads) thread.join();
  ::close(pipe);  // no more will come: faults may have left less than the parent waits for
  while (true) ::pause();
}

/// Runs the load in a child and kills it when it has acknowledged `enough`, unless a fault does before. What it
/// acknowledged in all.
std::vector<std::uint32_t> killed_after(std::uint32_t enough, const std::string& root, std::uint32_t round, const Load& load) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return {};
  const pid_t child = ::fork();
  if (child == 0) run_load(root, round, load, pipe[1]);
  ::close(pipe[1]);
  std::vector<std::uint32_t> acknowledged;
  std::uint32_t what = 0;
  while (acknowledged.size() < enough && ::read(pipe[0], &what, sizeof what) == sizeof what) acknowledged.push_back(what);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  while (::read(pipe[0], &what, sizeof what) == sizeof what) acknowledged.push_back(what);
  ::close(pipe[0]);
  return acknowledged;
}

void expect_present(const std::string& root, std::uint32_t round, const std::vector<std::uint32_t>& acknowledged) {
  const auto cache = Cache::open({.root = root});
  ASSERT_TRUE(cache.ok()) << cache.status();
  for (const std::uint32_t what : acknowledged) {
    if (what >= kChunks) {
      const auto object = (*cache)->open_object(digest_of(object_bytes(round, what - kChunks)));
      EXPECT_TRUE(object.ok()) << "lost object " << what - kChunks << ": " << object.status();
    } else {
      const MadeChunk made = numbered_chunk(round, what);
      EXPECT_TRUE((*cache)->read_chunk(made.chunk).value_or("") == made.bytes) << "lost chunk " << what;
    }
  }
}

/// What is said to be there is right, or found out and dropped.
void expect_nothing_wrong(const std::string& root, std::uint32_t round) {
  const auto cache = Cache::open({.root = root});
  ASSERT_TRUE(cache.ok()) << cache.status();
  for (std::uint32_t i = 0; i < kChunks; ++i) {
    const MadeChunk made = numbered_chunk(round, i);
    const auto read = (*cache)->read_chunk(made.chunk);
    if (read.ok()) {
      EXPECT_TRUE(*read == made.bytes) << "wrong bytes of chunk " << i;
    } else {
      EXPECT_TRUE(absl::IsDataLoss(read.status()) || absl::IsNotFound(read.status())) << read.status();
      EXPECT_FALSE((*cache)->has_chunk(made.chunk.digest)) << i;
    }
  }
}

class CacheCrash : public ::testing::Test {
 protected:
  const TempDir dir_ = *TempDir::create("crash");
  std::minstd_rand random_{2024};

  /// One cache for ten rounds: each reads all that is there.
  std::string root(std::uint32_t round) const { return dir_.path() + "/cache" + std::to_string(round / 10); }

  std::uint32_t some_acknowledgements() { return 1 + random_() % kChunks; }
};

TEST_F(CacheCrash, LosesNothingThatWasAcknowledgedAndLeavesNoRowThatLies) {
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const std::uint32_t enough = some_acknowledgements();

    const auto acknowledged = killed_after(enough, root(round), round, Load{});

    ASSERT_GE(acknowledged.size(), enough) << "the child failed in round " << round;
    ASSERT_TRUE(holds_in_child([&] { expect_no_lie(root(round)); })) << "round " << round;
    ASSERT_TRUE(holds_in_child([&] { expect_present(root(round), round, acknowledged); })) << "round " << round;
  }
}

TEST_F(CacheCrash, KeepsWhatEarlierRoundsAcknowledged) {
  std::map<std::uint32_t, std::vector<std::uint32_t>> acknowledged;

  for (std::uint32_t round = 0; round < 3; ++round) acknowledged[round] = killed_after(5, root(round), round, Load{});

  for (const auto& [round, what] : acknowledged) {
    EXPECT_GE(what.size(), 5u);
    const auto check = [&, round = round, &what = what] { expect_present(root(round), round, what); };
    EXPECT_TRUE(holds_in_child(check)) << "round " << round;
  }
}

TEST_F(CacheCrash, HoldsWhenWritesFailAndTheProcessDiesInTheMiddleOfOne) {
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const Load load{.evict = false, .faults = {.short_write = 5, .io_error = 11, .no_space = 13, .killed = 90}};

    const auto acknowledged = killed_after(some_acknowledgements(), root(round), round, load);

    ASSERT_TRUE(holds_in_child([&] { expect_no_lie(root(round)); })) << "round " << round;
    ASSERT_TRUE(holds_in_child([&] { expect_present(root(round), round, acknowledged); })) << "round " << round;
  }
}

TEST_F(CacheCrash, LeavesNoRowThatLiesWhileItEvicts) {
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const Load load{.evict = true, .faults = {.short_write = 7, .io_error = 50, .no_space = 50, .killed = 0}};

    (void)killed_after(some_acknowledgements(), root(round), round, load);

    ASSERT_TRUE(holds_in_child([&] { expect_no_lie(root(round)); })) << "round " << round;
    ASSERT_TRUE(holds_in_child([&] { expect_nothing_wrong(root(round), round); })) << "round " << round;
  }
}

/// What a power cut does: pages of blobs that never reached the disk, and the end of the log cut in the middle of a row.
void tear(const std::string& root, std::minstd_rand& random) {
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string path = entry.path().string();
    if (!entry.is_regular_file() || entry.file_size() < 4096) continue;
    if (path.find("/objects/") != std::string::npos && random() % 2 == 0) {
      const auto fd = open_file(path, O_RDWR);
      ASSERT_TRUE(fd.ok());
      const std::uint64_t page = random() % (entry.file_size() / 4096);
      ASSERT_TRUE(pwrite_all(fd->get(), as_bytes(std::string(4096, '\0')), page * 4096).ok());
    }
    if (entry.path().extension() == ".log") fs::resize_file(path, entry.file_size() - random() % 4096);
  }
}

TEST_F(CacheCrash, GivesNothingWrongAfterAPowerCut) {
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    (void)killed_after(some_acknowledgements(), root(round), round, Load{});
    ASSERT_NO_FATAL_FAILURE(tear(root(round), random_));

    ASSERT_TRUE(holds_in_child([&] { expect_nothing_wrong(root(round), round); })) << "round " << round;
  }
}

}  // namespace
}  // namespace samara::cache_index
