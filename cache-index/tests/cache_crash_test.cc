#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "cache_fixture.h"

/// kill -9 while chunks are being stored: what was acknowledged is there and right, and nothing is wrong.
namespace samara::cache_index {
namespace {

constexpr std::uint32_t kRounds = 20;
constexpr std::uint32_t kChunksPerRound = 60;

/// The chunk number `i` of round `round`: compressible, different from all others, 1 to 40 KiB.
MadeChunk numbered_chunk(std::uint32_t round, std::uint32_t i) {
  std::minstd_rand random(round * 1000 + i + 1);
  std::string bytes(1024 + random() % (40u << 10), '\0');
  for (char& byte : bytes) byte = static_cast<char>('a' + random() % 16);
  return make_chunk(std::move(bytes), (std::uint64_t{i} * 7919 % kChunksPerRound) * (48u << 10));
}

Digest blob_of(std::uint32_t round) { return digest_of(std::to_string(round)); }

/// Stores chunks without end and writes a byte to `acknowledge` after each.
[[noreturn]] void store_chunks(const std::string& root, std::uint32_t round, int acknowledge) {
  const auto cache = Cache::open({.root = root});
  if (!cache.ok()) ::_exit(1);
  for (std::uint32_t i = 0; i < kChunksPerRound; ++i) {
    const MadeChunk made = numbered_chunk(round, i);
    if (!(*cache)->put_frame(blob_of(round), made.chunk, as_bytes(made.frame)).ok()) ::_exit(2);
    if (::write(acknowledge, ".", 1) != 1) ::_exit(3);
  }
  while (true) ::pause();
}

/// Runs store_chunks() in a child and kills it when it has acknowledged `enough`; how many it acknowledged in all.
std::uint32_t killed_after(std::uint32_t enough, const std::string& root, std::uint32_t round) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return 0;
  const pid_t child = ::fork();
  if (child == 0) store_chunks(root, round, pipe[1]);
  ::close(pipe[1]);
  std::uint32_t acknowledged = 0;
  char byte;
  while (acknowledged < enough && ::read(pipe[0], &byte, 1) == 1) ++acknowledged;
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  while (::read(pipe[0], &byte, 1) == 1) ++acknowledged;
  ::close(pipe[0]);
  return acknowledged;
}

/// Opens the cache in a process of its own, so that this one stays without RocksDB's threads and may fork again, and
/// looks whether each of the first `acknowledged` chunks is there, and nothing that is there is wrong.
bool is_right(const std::string& root, std::uint32_t round, std::uint32_t acknowledged) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto cache = Cache::open({.root = root});
    if (!cache.ok()) ::_exit(1);
    for (std::uint32_t i = 0; i < kChunksPerRound; ++i) {
      const MadeChunk made = numbered_chunk(round, i);
      const bool present = (*cache)->has_chunk(made.chunk.digest);
      const auto read = (*cache)->read_chunk(made.chunk);
      EXPECT_TRUE(present || i >= acknowledged) << "lost chunk " << i << " of round " << round;
      EXPECT_EQ(read.ok(), present) << read.status();
      EXPECT_EQ(read.value_or(""), present ? made.bytes : "");
    }
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(CacheCrash, LosesNothingThatWasAcknowledgedAndLeavesNoRowThatLies) {
  const TempDir dir = *TempDir::create("crash");
  const std::string root = dir.path() + "/cache";
  std::minstd_rand random(2024);

  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const std::uint32_t enough = 1 + random() % kChunksPerRound;

    const std::uint32_t acknowledged = killed_after(enough, root, round);

    ASSERT_GE(acknowledged, enough) << "the child failed in round " << round;
    ASSERT_TRUE(is_right(root, round, acknowledged)) << "round " << round;
  }
}

TEST(CacheCrash, KeepsWhatEarlierRoundsAcknowledged) {
  const TempDir dir = *TempDir::create("crash");
  const std::string root = dir.path() + "/cache";
  std::vector<std::uint32_t> acknowledged;

  for (std::uint32_t round = 0; round < 3; ++round) acknowledged.push_back(killed_after(5, root, round));

  for (std::uint32_t round = 0; round < 3; ++round) {
    EXPECT_GE(acknowledged[round], 5u);
    EXPECT_TRUE(is_right(root, round, acknowledged[round])) << "round " << round;
  }
}

}  // namespace
}  // namespace samara::cache_index
