#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <random>
#include <thread>

#include "base/text.h"
#include "fake_clock.h"
#include "published_layer.h"

/// What goes when room is needed, what stays, and what whoever reads meanwhile sees.
namespace samara::cache_index {
namespace {

using std::chrono::hours;

constexpr std::uint64_t kKiB = 1u << 10, kMiB = 1u << 20;

std::string random_bytes(std::uint32_t seed, std::size_t size) {
  std::minstd_rand random(seed + 1);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() >> 8);
  return bytes;
}

class CacheEviction : public ::testing::Test {
 protected:
  CacheEviction() { open({}); }

  void open(const Cache::Limits& limits) {
    cache_.reset();
    auto cache = Cache::open({.root = root_, .limits = limits, .clock = &clock_, .metrics = &metrics_});
    ASSERT_TRUE(cache.ok()) << cache.status();
    cache_ = *std::move(cache);
  }

  /// A chunk that compression doesn't make smaller, in its blob's place `position`.
  static MadeChunk chunk(std::uint32_t number, std::uint32_t position) {
    return make_chunk(random_bytes(number, 256 * kKiB), std::uint64_t{position} * 260 * kKiB);
  }
  void put(const Digest& blob, const MadeChunk& made) {
    const absl::Status status = cache_->put_frame(blob, made.chunk, as_bytes(made.frame));
    ASSERT_TRUE(status.ok()) << status;
  }
  Digest put_object(std::uint32_t number, std::size_t size) {
    const std::string bytes = random_bytes(number, size);
    EXPECT_TRUE(cache_->put_object(digest_of(bytes), as_bytes(bytes)).ok());
    return digest_of(bytes);
  }
  std::uint64_t used() { return cache_->usage()->disk_bytes; }
  /// Frees so many bytes.
  void evict(std::uint64_t bytes) {
    const auto freed = cache_->evict_to(used() - bytes);
    ASSERT_TRUE(freed.ok()) << freed.status();
  }
  bool has(const MadeChunk& made) { return cache_->has_chunk(made.chunk.digest); }

  TempDir dir_ = *TempDir::create("cache");
  const std::string root_ = dir_.path() + "/cache";
  FakeClock clock_;
  Metrics metrics_;
  std::unique_ptr<Cache> cache_;
  const Digest blob_ = digest_of("a blob"), other_blob_ = digest_of("another blob");
};

TEST_F(CacheEviction, TakesTheChunksThatWereUsedLongestAgoAndGivesTheirBlocksBack) {
  std::vector<MadeChunk> chunks;
  for (std::uint32_t i = 0; i < 8; ++i) {
    chunks.push_back(chunk(i, i));
    put(blob_, chunks.back());
    clock_.advance(hours(1));
  }
  ASSERT_TRUE(cache_->read_chunk(chunks[0].chunk).ok());  // now it is the newest
  const std::uint64_t before = used();

  evict(3 * 256 * kKiB);

  EXPECT_TRUE(has(chunks[0]));
  EXPECT_FALSE(has(chunks[1]) || has(chunks[2]) || has(chunks[3]));
  for (std::size_t i = 4; i < chunks.size(); ++i) EXPECT_EQ(cache_->read_chunk(chunks[i].chunk).value_or(""), chunks[i].bytes);
  EXPECT_LE(used() + 3 * 250 * kKiB, before);
  EXPECT_TRUE(absl::IsNotFound(cache_->read_chunk(chunks[1].chunk).status()));
  put(blob_, chunks[1]);
  EXPECT_EQ(cache_->read_chunk(chunks[1].chunk).value_or(""), chunks[1].bytes);
}

TEST_F(CacheEviction, RemembersUsesOverARestart) {
  put(blob_, chunk(1, 1));
  clock_.advance(hours(1));
  put(blob_, chunk(2, 2));
  clock_.advance(hours(1));
  ASSERT_TRUE(cache_->read_chunk(chunk(1, 1).chunk).ok());
  open({});

  evict(100 * kKiB);

  EXPECT_TRUE(has(chunk(1, 1)));
  EXPECT_FALSE(has(chunk(2, 2)));
}

TEST_F(CacheEviction, RemovesTheFileOfABlobOfWhichNothingIsLeft) {
  put(blob_, chunk(1, 1));
  clock_.advance(hours(1));
  put(other_blob_, chunk(2, 2));

  evict(100 * kKiB);

  EXPECT_FALSE(std::filesystem::exists(cache_->object_path(blob_)));
  EXPECT_TRUE(std::filesystem::exists(cache_->object_path(other_blob_)));
  open({});
  EXPECT_FALSE(has(chunk(1, 1)));
  EXPECT_TRUE(has(chunk(2, 2)));
}

TEST_F(CacheEviction, RemovesObjectsWholeAndSmallOnesLast) {
  const Digest manifest = put_object(1, 2000);
  clock_.advance(hours(1));
  const Digest old_layer = put_object(2, 3 * kMiB);
  clock_.advance(hours(1));
  const Digest new_layer = put_object(3, 3 * kMiB);

  evict(kMiB);

  EXPECT_TRUE(cache_->has_object(manifest));
  EXPECT_FALSE(cache_->has_object(old_layer));
  EXPECT_TRUE(absl::IsNotFound(cache_->open_object(old_layer).status()));
  EXPECT_FALSE(std::filesystem::exists(cache_->object_path(old_layer)));
  EXPECT_TRUE(cache_->has_object(new_layer));
}

TEST_F(CacheEviction, LeavesTheBytesToWhoeverHasTheObjectOpen) {
  const Digest layer = put_object(1, 2 * kMiB);
  const auto object = cache_->open_object(layer);
  ASSERT_TRUE(object.ok());
  clock_.advance(hours(1));

  evict(kMiB);

  std::string bytes(object->size, '\0');
  ASSERT_TRUE(pread_all(object->fd.get(), {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}, 0).ok());
  EXPECT_EQ(digest_of(bytes), layer);
  EXPECT_FALSE(cache_->has_object(layer));
}

TEST_F(CacheEviction, LeavesAloneWhatIsInUse) {
  const Digest index = put_object(1, 2 * kMiB), other = put_object(2, 2 * kMiB);
  cache_->start_eviction([&] { return Cache::InUse{.objects = {index}, .layers = {}, .layers_stay = false}; });

  const auto freed = cache_->evict_to(0);

  ASSERT_TRUE(freed.ok()) << freed.status();
  EXPECT_TRUE(cache_->has_object(index));
  EXPECT_FALSE(cache_->has_object(other));
  EXPECT_GE(cache_->usage()->pinned_bytes, 2 * kMiB);
  cache_->stop_eviction();
}

TEST_F(CacheEviction, LeavesPinsAloneUntilTheyExpire) {
  const Digest kept = put_object(1, 2 * kMiB), other = put_object(2, 2 * kMiB);
  const auto expires = std::chrono::duration_cast<std::chrono::seconds>(
      (clock_.wall_now() + hours(24)).time_since_epoch()).count();
  const Cache::Pin pin{.name = "object", .reason = "tonight's batch", .expires = static_cast<std::uint64_t>(expires), .members = {kept}};
  ASSERT_TRUE(cache_->add_pin(pin).ok());
  open({});

  ASSERT_TRUE(cache_->evict_to(0).ok());
  const auto listed = cache_->pins();

  EXPECT_TRUE(cache_->has_object(kept));
  EXPECT_FALSE(cache_->has_object(other));
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ(listed->front().reason, "tonight's batch");
  EXPECT_GE(cache_->pinned_bytes(listed->front()), 2 * kMiB);
  clock_.advance(hours(25));
  ASSERT_TRUE(cache_->evict_to(0).ok());
  EXPECT_FALSE(cache_->has_object(kept));
  EXPECT_TRUE(cache_->pins()->empty());
}

TEST_F(CacheEviction, LeavesALayersIndexAndBlobAloneWhileTheLayerIsPinned) {
  LayerRecord record;
  ASSERT_NO_FATAL_FAILURE(publish_sample_layer(*cache_, &record));
  ASSERT_TRUE(cache_->add_pin({.name = "layer", .reason = "", .expires = 0, .members = {record.layer}}).ok());

  ASSERT_TRUE(cache_->evict_to(0).ok());
  EXPECT_TRUE(cache_->converted_layer(record.layer).ok());
  ASSERT_TRUE(cache_->remove_pin("layer").ok());
  ASSERT_TRUE(cache_->evict_to(0).ok());

  EXPECT_FALSE(cache_->converted_layer(record.layer).ok());
  EXPECT_TRUE(absl::IsNotFound(cache_->remove_pin("layer")));
}

TEST_F(CacheEviction, RefusesPinsThatSayNothing) {
  EXPECT_TRUE(absl::IsInvalidArgument(cache_->add_pin({.name = "", .reason = "", .expires = 0, .members = {blob_}})));
  EXPECT_TRUE(absl::IsInvalidArgument(cache_->add_pin({.name = "nothing", .reason = "", .expires = 0, .members = {}})));
}

TEST_F(CacheEviction, TakesPartsOfObjectsFirst) {
  const Digest whole = put_object(1, 2 * kMiB);
  const std::string bytes = random_bytes(2, 4 * kMiB);
  {
    const auto writer = cache_->create_object(digest_of(bytes));
    ASSERT_TRUE((*writer)->append(as_bytes(bytes.substr(0, 2 * kMiB))).ok());
  }
  clock_.advance(hours(1));

  evict(kMiB);

  EXPECT_TRUE(cache_->has_object(whole));
  EXPECT_EQ((*cache_->create_object(digest_of(bytes)))->size(), 0u);
}

TEST_F(CacheEviction, TurnsAWriteAwayThatNothingMakesRoomForAndTakesItOnceThereIsSome) {
  const Digest index = put_object(1, 32 * kMiB);
  open({.quota = 40 * kMiB});
  std::atomic<bool> in_use{true};
  cache_->start_eviction([&] {
    return in_use ? Cache::InUse{.objects = {index}, .layers = {}, .layers_stay = false} : Cache::InUse{};
  });

  const Digest too_much = digest_of(random_bytes(2, 16 * kMiB));
  const absl::Status refused = cache_->put_object(too_much, as_bytes(random_bytes(2, 16 * kMiB)));
  in_use = false;
  clock_.advance(std::chrono::seconds(60));
  const absl::Status taken = cache_->put_object(too_much, as_bytes(random_bytes(2, 16 * kMiB)));

  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_TRUE(taken.ok()) << taken;
  EXPECT_TRUE(cache_->has_object(too_much));
  EXPECT_FALSE(cache_->has_object(index));
  cache_->stop_eviction();
}

TEST_F(CacheEviction, HoldsTheQuotaWhateverIsWritten) {
  const std::uint64_t quota = used() + 24 * kMiB;
  open({.quota = quota});
  cache_->start_eviction([] { return Cache::InUse{}; });
  std::uint64_t most = 0;

  for (std::uint32_t i = 0; i < 200; ++i) {
    const absl::Status status = cache_->put_frame(blob_, chunk(i, i).chunk, as_bytes(chunk(i, i).frame));
    ASSERT_TRUE(status.ok()) << status << " at " << i;
    most = std::max(most, used());
    clock_.advance(std::chrono::minutes(1));
  }

  EXPECT_LE(most, quota + kMiB);  // a frame may end in a block of its own, and the database grows beside
  EXPECT_TRUE(has(chunk(199, 199)));
  EXPECT_FALSE(has(chunk(0, 0)));
  cache_->stop_eviction();
}

TEST_F(CacheEviction, TakesTheOriginalOfAConvertedLayerBeforeAnythingElse) {
  LayerRecord record;
  ASSERT_NO_FATAL_FAILURE(publish_sample_layer(*cache_, &record));
  clock_.advance(hours(1));
  record.layer = put_object(1, 2 * kMiB);
  ASSERT_TRUE(cache_->put_layer(record).ok());

  evict(kMiB);

  EXPECT_FALSE(cache_->has_object(record.layer));
  EXPECT_TRUE(cache_->converted_layer(record.layer).ok());
}

TEST_F(CacheEviction, TakesABlobThatIsServedWholeWithAllItsChunks) {
  LayerRecord record;
  ASSERT_NO_FATAL_FAILURE(publish_sample_layer(*cache_, &record));
  const auto index = IndexReader::open(cache_->object_path(record.index));
  ASSERT_TRUE(index.ok()) << index.status();
  clock_.advance(hours(1));
  put(other_blob_, chunk(1, 1));

  evict(kMiB);

  EXPECT_FALSE(cache_->has_object(record.blob));
  EXPECT_TRUE(absl::IsNotFound(cache_->converted_layer(record.layer).status()));
  EXPECT_EQ(cache_->presence(**index)->chunks, 0u);
  EXPECT_TRUE(has(chunk(1, 1)));
  ASSERT_NO_FATAL_FAILURE(publish_sample_layer(*cache_, &record));
  EXPECT_TRUE(cache_->converted_layer(record.layer).ok());
  EXPECT_EQ(cache_->presence(**index)->chunks, (*index)->info().chunk_count);
}

TEST_F(CacheEviction, TakesChunksOfLayersInUseLastAndNotAtAllWhileNobodyCouldBringThemAgain) {
  LayerRecord record;
  ASSERT_NO_FATAL_FAILURE(publish_sample_layer(*cache_, &record));
  std::shared_ptr<const IndexReader> index = *IndexReader::open(cache_->object_path(record.index));
  std::vector<MadeChunk> chunks;  // the layer as a node has it: chunks in a partial blob
  for (std::uint32_t i = 0; i < index->info().chunk_count; ++i) {
    MadeChunk made;
    made.chunk = *index->chunk(i);
    made.frame.resize(made.chunk.blob_size);
    const auto blob = cache_->open_object(record.blob);
    ASSERT_TRUE(pread_all(blob->fd.get(), {reinterpret_cast<std::uint8_t*>(made.frame.data()), made.frame.size()},
                          made.chunk.blob_offset).ok());
    chunks.push_back(std::move(made));
  }
  ASSERT_TRUE(cache_->remove_object(record.blob).ok());
  for (const MadeChunk& made : chunks) put(record.blob, made);
  clock_.advance(hours(1));
  put(other_blob_, chunk(1, 1));
  bool away = false;
  cache_->start_eviction([&] { return Cache::InUse{.objects = {record.index}, .layers = {index}, .layers_stay = away}; });

  evict(100 * kKiB);
  EXPECT_FALSE(has(chunk(1, 1)));
  EXPECT_EQ(cache_->presence(*index)->chunks, index->info().chunk_count);
  away = true;
  ASSERT_TRUE(cache_->evict_to(0).ok());
  EXPECT_EQ(cache_->presence(*index)->chunks, index->info().chunk_count);
  away = false;
  ASSERT_TRUE(cache_->evict_to(0).ok());
  EXPECT_EQ(cache_->presence(*index)->chunks, 0u);
  EXPECT_TRUE(cache_->has_object(record.index));
  cache_->stop_eviction();
}

TEST_F(CacheEviction, TakesNoBlobInWhichAChunkLiesThatMustStay) {
  LayerRecord record;
  ASSERT_NO_FATAL_FAILURE(publish_sample_layer(*cache_, &record));
  const std::shared_ptr<const IndexReader> index = *IndexReader::open(cache_->object_path(record.index));
  bool away = true;
  cache_->start_eviction([&] { return Cache::InUse{.objects = {}, .layers = {index}, .layers_stay = away}; });

  ASSERT_TRUE(cache_->evict_to(0).ok());
  EXPECT_TRUE(cache_->has_object(record.blob));
  EXPECT_EQ(cache_->presence(*index)->chunks, index->info().chunk_count);
  EXPECT_GE(cache_->usage()->pinned_bytes, record.blob_size);

  away = false;
  ASSERT_TRUE(cache_->evict_to(0).ok());
  EXPECT_FALSE(cache_->has_object(record.blob));
  cache_->stop_eviction();
}

TEST_F(CacheEviction, NeverShowsWrongBytesToThoseWhoReadAndWriteMeanwhile) {
  std::vector<MadeChunk> chunks;
  for (std::uint32_t i = 0; i < 24; ++i) chunks.push_back(chunk(i, i));
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0}, reads{0};
  std::vector<std::jthread> threads;
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&, reader] {
      for (std::size_t i = static_cast<std::size_t>(reader); !stop; ++i) {
        const MadeChunk& made = chunks[i % chunks.size()];
        const auto bytes = cache_->read_chunk(made.chunk);
        if (bytes.ok() ? *bytes != made.bytes : !absl::IsNotFound(bytes.status())) ++wrong;
        reads += bytes.ok();
      }
    });
  }
  threads.emplace_back([&] {
    for (std::size_t i = 0; !stop; ++i) {
      const MadeChunk& made = chunks[i % chunks.size()];
      if (!cache_->put_frame(i % 2 ? blob_ : other_blob_, made.chunk, as_bytes(made.frame)).ok()) ++wrong;
    }
  });

  for (int pass = 0; pass < 60 || reads < 500; ++pass) {
    EXPECT_TRUE(cache_->evict_to(used() - std::min(used(), 2 * kMiB)).ok());
    clock_.advance(hours(1));
  }
  stop = true;
  threads.clear();

  EXPECT_EQ(wrong, 0);
  for (const MadeChunk& made : chunks) {
    EXPECT_TRUE(cache_->put_frame(blob_, made.chunk, as_bytes(made.frame)).ok());
    EXPECT_EQ(cache_->read_chunk(made.chunk).value_or(""), made.bytes);
  }
}

}  // namespace
}  // namespace samara::cache_index
