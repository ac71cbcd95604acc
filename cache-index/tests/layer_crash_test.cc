#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <random>
#include <thread>

#include "base/status.h"
#include "cache_fixture.h"
#include "crash_checks.h"
#include "file_faults.h"
#include "sample_layer.h"

/// kill -9 while layers are converted and published: each is there whole or not at all.
#ifndef SAMARA_CRASH_ROUNDS
#define SAMARA_CRASH_ROUNDS 12
#endif

namespace samara::cache_index {
namespace {

constexpr std::uint32_t kRounds = SAMARA_CRASH_ROUNDS;

/// Layer `i` of a round; its two files are `seed`'s, and one that all layers have.
absl::Status convert_and_publish(Cache& cache, std::uint32_t round, std::uint32_t i) {
  SAMARA_ASSIGN_OR_RETURN(const std::string directory, cache.create_incoming_directory());
  const std::uint64_t seed = round * 1000 + i;
  SAMARA_ASSIGN_OR_RETURN(const SampleLayer layer,
                          write_sample_layer(directory, {{.path = "own", .content = sample_text(seed, 400'000)},
                                                         {.path = "other", .content = sample_bytes(seed, 90'000)},
                                                         {.path = "shared", .content = sample_text(0, 300'000)}}));
  const LayerInfo& info = layer.written.info;
  return cache.publish_layer(directory, {.layer = digest_of(std::to_string(seed)),
                                         .index = layer.written.index,
                                         .blob = info.blob,
                                         .index_size = layer.written.index_size,
                                         .blob_size = info.blob_size,
                                         .layer_size = 1});
}

[[noreturn]] void run_load(const std::string& root, std::uint32_t round, const FaultOdds& odds, int pipe) {
  const auto cache = Cache::open({.root = root});
  if (!cache.ok()) ::_exit(1);
  const FileFaults faults(odds, round);
  std::minstd_rand random(round + 1);
  const std::chrono::microseconds life(1000 + random() % 60'000);
  std::thread([life] {
    std::this_thread::sleep_for(life);  // nobody waits for it: it is when the process dies
    ::kill(::getpid(), SIGKILL);
  }).detach();
  for (std::uint32_t i = 0;; ++i) {
    if (convert_and_publish(**cache, round, i % 1000).ok() && ::write(pipe, &i, sizeof i) != sizeof i) ::_exit(3);
  }
}

std::vector<std::uint32_t> published_before_the_kill(const std::string& root, std::uint32_t round, const FaultOdds& odds) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return {};
  const pid_t child = ::fork();
  if (child == 0) run_load(root, round, odds, pipe[1]);
  ::close(pipe[1]);
  std::vector<std::uint32_t> published;
  for (std::uint32_t i = 0; ::read(pipe[0], &i, sizeof i) == sizeof i;) published.push_back(i % 1000);
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the child failed with " << WEXITSTATUS(status);
  return published;
}

void expect_whole_layers(const std::string& root, std::uint32_t round, const std::vector<std::uint32_t>& published) {
  const auto cache = Cache::open({.root = root});
  ASSERT_TRUE(cache.ok()) << cache.status();
  for (const std::uint32_t i : published) {
    EXPECT_TRUE((*cache)->converted_layer(digest_of(std::to_string(round * 1000 + i))).ok()) << "lost layer " << i;
  }
  const auto layers = (*cache)->layers();
  ASSERT_TRUE(layers.ok()) << layers.status();
  for (const LayerRecord& record : *layers) {
    ASSERT_TRUE((*cache)->converted_layer(record.layer).ok());
    const auto index = IndexReader::open((*cache)->object_path(record.index));
    ASSERT_TRUE(index.ok()) << index.status();
    for (std::uint32_t c = 0; c < (*index)->info().chunk_count; ++c) {
      EXPECT_TRUE((*cache)->read_chunk((*index)->chunk(c).value()).ok()) << "chunk " << c;
    }
  }
}

TEST(LayerCrash, LeavesEachLayerWholeOrNotThere) {
  const TempDir dir = *TempDir::create("layer-crash");
  std::size_t published = 0;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const FaultOdds odds{.short_write = 5, .io_error = round % 2 ? 40u : 0u, .no_space = round % 3 ? 0u : 40u, .killed = 0};

    const std::string root = dir.path() + "/" + std::to_string(round / 10);  // a fresh one now and then: all is read below
    const auto acknowledged = published_before_the_kill(root, round, odds);

    published += acknowledged.size();
    ASSERT_TRUE(holds_in_child([&] { expect_no_lie(root); })) << "round " << round;
    ASSERT_TRUE(holds_in_child([&] { expect_whole_layers(root, round, acknowledged); })) << "round " << round;
  }
  EXPECT_GT(published, 0u);
}

}  // namespace
}  // namespace samara::cache_index
