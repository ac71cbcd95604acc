// Measures blocking reads beside background work at full rate; tests/bench/node runs it.
// usage: measure_fetch --output FILE        one figure a line: name, value, unit
//
// The source is a link of 1 Gbit/s with half a millisecond to the other side, shared fairly by whatever is under way.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <mutex>
#include <thread>

#include "base/file.h"
#include "base/metrics.h"
#include "cache_index/cache.h"
#include "peer/chunk_fetcher.h"
#include "sample_layer.h"

namespace samara::peer {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::duration;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr double kBytesPerSecond = 125e6;
constexpr std::size_t kPacket = 16u << 10;
constexpr std::size_t kBackgroundBytes = 256u << 20, kReadBytes = 48u << 20;
constexpr int kReads = 100;

template <typename T>
T must(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "%s\n", value.status().ToString().c_str());
  std::exit(1);
}

class Link final : public RangeSource {
 public:
  void serves(const Digest& blob, std::string bytes) { blobs_[blob] = std::move(bytes); }
  std::string_view name() const override { return "link"; }
  absl::Status fetch(const Digest& object, const ByteRange& range, std::stop_token stop, const OnBytes& on_bytes) override {
    std::this_thread::sleep_for(microseconds(500));
    std::string_view rest = std::string_view(blobs_.at(object)).substr(range.begin, range.size());
    while (!rest.empty()) {
      if (stop.stop_requested()) return absl::CancelledError("stopped");
      const std::string_view packet = rest.substr(0, kPacket);
      rest.remove_prefix(packet.size());
      std::this_thread::sleep_until(sent(packet.size()));
      if (absl::Status status = on_bytes(as_bytes(packet)); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  SteadyClock::time_point sent(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    free_at_ = std::max(free_at_, SteadyClock::now()) +
               std::chrono::duration_cast<SteadyClock::duration>(duration<double>(static_cast<double>(bytes) / kBytesPerSecond));
    return free_at_;
  }

  std::map<Digest, std::string> blobs_;  // nothing is added once it is used
  std::mutex mutex_;
  SteadyClock::time_point free_at_{};
};

struct Layer {
  TempDir directory = must(TempDir::create("measure-fetch"));
  LayerIndex index;
  explicit Layer(std::uint64_t seed, std::size_t bytes, Link& link) {
    auto sample = must(cache_index::write_sample_layer(
        directory.path(), {{.path = "file", .content = cache_index::sample_bytes(seed, bytes)}}));
    index = std::move(sample.index);
    link.serves(index->info().blob, must(read_file(sample.blob_path, 1u << 30)));
  }
};

/// Milliseconds of a hundred reads of other chunks each, 5 ms between them.
std::vector<double> read_some(ChunkFetcher& fetcher, const LayerIndex& layer, std::uint32_t first) {
  std::vector<double> took;
  for (int i = 0; i < kReads; ++i) {
    const std::uint32_t chunk = (first + static_cast<std::uint32_t>(i)) % layer->info().chunk_count;
    std::promise<absl::Status> done;
    const auto start = SteadyClock::now();
    fetcher.read(layer, chunk, FetchClass::kBlocking, [&](const absl::StatusOr<ChunkBytes>& bytes) { done.set_value(bytes.status()); });
    if (const absl::Status status = done.get_future().get(); !status.ok()) std::exit(1);
    took.push_back(duration<double, std::milli>(SteadyClock::now() - start).count());
    std::this_thread::sleep_for(milliseconds(5));
  }
  std::sort(took.begin(), took.end());
  return took;
}

double quantile(const std::vector<double>& sorted, double q) {
  return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
}

void measure(const char* output) {
  Link link;
  const Layer background(1, kBackgroundBytes, link), read(2, kReadBytes, link);
  const TempDir directory = must(TempDir::create("measure-fetch-cache"));
  const auto cache = must(cache_index::Cache::open({.root = directory.path()}));
  Metrics metrics;
  SystemClock clock;
  const auto fetcher = ChunkFetcher::create(*cache, {&link}, metrics, clock, {});

  const std::vector<double> alone = read_some(*fetcher, read.index, 0);
  fetcher->prefetch(background.index, 0, background.index->info().chunk_count, FetchClass::kBackground);
  const std::vector<double> beside = read_some(*fetcher, read.index, kReads);
  const double fetched =
      metrics.counter("samara_chunks_total", "", {{"source", "link"}, {"class", "background"}}).value();

  std::FILE* const out = std::fopen(output, "we");
  if (out == nullptr) std::exit(1);
  std::fprintf(out, "read_alone_p50 %.2f ms\nread_alone_p99 %.2f ms\n", quantile(alone, 0.5), quantile(alone, 0.99));
  std::fprintf(out, "read_beside_background_p50 %.2f ms\nread_beside_background_p99 %.2f ms\n", quantile(beside, 0.5),
               quantile(beside, 0.99));
  std::fprintf(out, "background_still_to_fetch_at_the_end %.0f chunks\n", background.index->info().chunk_count - fetched);
  std::fclose(out);
}

}  // namespace
}  // namespace samara::peer

int main(int argc, char** argv) {
  if (argc != 3 || std::strcmp(argv[1], "--output") != 0) return 2;
  samara::peer::measure(argv[2]);
  return 0;
}
