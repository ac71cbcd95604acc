// Fills the root of a samara-node, as if it had pulled an image of COUNT layers of 100 files of 16 KiB each.
// usage: make_lazy_node ROOT COUNT
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "base/clock.h"
#include "base/text.h"
#include "cache_index/cache.h"
#include "cache_index/hasher.h"
#include "sample_layer.h"
#include "snapshotter/labels.h"
#include "snapshotter/metadata.h"

namespace samara::snapshotter {
namespace {

constexpr int kFiles = 100;
constexpr std::size_t kFileBytes = 16u << 10;

void must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "make_lazy_node: %s\n", status.ToString().c_str());
  std::exit(1);
}

template <typename T>
T must(absl::StatusOr<T> value) {
  must(value.status());
  return *std::move(value);
}

cache_index::SampleLayer write_layer(const std::string& directory, int number) {
  std::vector<cache_index::SampleEntry> entries = {{.path = "", .mode = S_IFDIR | 0755}};
  for (int file = 0; file < kFiles; ++file) {
    const std::uint64_t seed = static_cast<std::uint64_t>(number) * kFiles + static_cast<std::uint64_t>(file);
    entries.push_back({.path = str_cat("layer", number, "/file", file), .content = cache_index::sample_text(seed, kFileBytes)});
  }
  return must(cache_index::write_sample_layer(directory, entries));
}

void make(const std::string& root, int count) {
  SystemClock clock;
  const auto cache = must(cache_index::Cache::open({.root = root}, Metadata::tables()));
  const auto metadata = must(Metadata::open(cache->store(), clock));
  std::optional<Digest> chain;
  std::string parent;
  for (int number = 0; number < count; ++number) {
    const std::string directory = must(cache->create_incoming_directory());
    const auto written = write_layer(directory, number).written;
    const LazyLayer layer{metadata->reserve_slot(), cache_index::sha256(as_bytes(str_cat("compressed", number))), written.index,
                          written.index_size, "registry.test/many-layers:1"};
    must(cache->publish_layer(directory, {.layer = layer.layer,
                                          .index = written.index,
                                          .blob = written.info.blob,
                                          .index_size = written.index_size,
                                          .blob_size = written.info.blob_size,
                                          .layer_size = written.info.tar_size}));
    chain = chain_id(chain, written.info.diff_id);
    const Labels labels = {{std::string(kSnapshotRefLabel), chain->to_string()}};
    parent = must(metadata->create_lazy(parent, labels, layer)).info.name;
  }
  std::printf("%s\n", parent.c_str());
}

}  // namespace
}  // namespace samara::snapshotter

int main(int argc, char** argv) {
  if (argc != 3 || std::atoi(argv[2]) <= 0) return 2;
  samara::snapshotter::make(argv[1], std::atoi(argv[2]));
  return 0;
}
