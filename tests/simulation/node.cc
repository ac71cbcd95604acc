#include "node.h"

#include <algorithm>

#include "base/text.h"
#include "peer/chunk_fetcher.h"

namespace samara::simulation {
namespace {

using std::chrono::milliseconds;

/// Neighbours: how long its thread sleeps at most, and how long a blob matters.
constexpr milliseconds kLongestSleep{1'000}, kForget{600'000}, kRetry{5'000};
constexpr milliseconds kConnectTimeout{3'000}, kSilence{10'000};  // SiteClient's

constexpr std::string_view kScheme = "http://";

std::string address_of(int site, int number) { return str_cat("10.", site, ".", number / 250, ".", number % 250 + 1); }

/// Which node of its site has the address.
int number_of(std::string_view address) {
  int parts[4] = {0, 0, 0, 0}, part = 0;
  for (const char c : address) {
    if (c == ':') break;
    if (c == '.') ++part;
    else parts[part] = parts[part] * 10 + (c - '0');
  }
  return parts[2] * 250 + parts[3] - 1;
}

peer::FlightTable::Policy policy() {
  const peer::ChunkFetcher::Options options;
  return {.limits = {.workers = options.workers,
                     .background_workers = options.background_workers,
                     .max_request_bytes = options.max_request_bytes},
          .read_deadline = options.read_deadline,
          .hedge_after = options.hedge_after,
          .sources = 1};
}

}  // namespace

Node* Neighbourhood::find(std::string_view url) {
  return nodes[static_cast<std::size_t>(number_of(url.substr(kScheme.size())))].get();
}

Node::Node(Neighbourhood& around, int number)
    : around_(around),
      number_(number),
      address_(address_of(around.site.number(), number)),
      url_(str_cat("http://", address_, ":7703")),
      machine_(around.timeline, around.scenario.node_mbit * 1e6 / 8, std::chrono::microseconds(100)),
      table_(policy()),
      views_({}),
      has_(around.image.chunks()),
      missing_(around.image.chunks()),
      swarms_(around.image.layers().size()) {
  for (const ImageLayer& layer : around.image.layers()) missing_of_.push_back(layer.chunks);
}

void Node::later(Duration delay, std::function<void()> action) {
  timeline().after(delay, [this, action = std::move(action)] {
    if (alive()) action();
  });
}

void Node::start() {
  outcome_.begun = timeline().now();
  around_.site.begin_image();
  if (scenario().index_mib > 0) fetch_indexes();
  else attached();
}

/// Of all layers, from the site, as SiteClient::fetch_object(): whole, tried again while it is away.
void Node::fetch_indexes() {
  if (!around_.site.alive()) return later(kConnectTimeout, [this] { fetch_indexes(); });
  around_.site.count_request();
  begin_stream(timeline(), around_.next_flow++,
               {.server = around_.site.machine(),
                .client = machine_,
                .units = scenario().index_mib * ((1u << 20) / kChunkBytes),
                .silence = kSilence,
                .obtain = [](std::size_t, const std::function<void(bool)>& has) { has(true); },
                .on_unit = [](std::size_t) {},
                .on_end = [this](StreamEnds::End end) {
                  if (end == StreamEnds::End::kComplete) attached();
                  else fetch_indexes();
                }});
}

void Node::attached() {
  attached_ = true;
  last_blocking_ = timeline().now();
  if (scenario().trace_known) prefetch_trace();
  // The thread of Neighbours looks once a second which layers are here.
  if (!scenario().neighbours_known) {
    const milliseconds sleep(around_.random() % static_cast<std::uint64_t>(kLongestSleep.count()));
    later(sleep, [this] { note_blobs(); });
  }
  later(Duration(static_cast<std::int64_t>(scenario().launch * 1e9)), [this] { read_on(); });
  if (scenario().background) later(std::chrono::seconds(2), [this] { background_step(); });
}

/// As StartTraces::prefetch_together(): in the order of the blobs, stretch by stretch.
void Node::prefetch_trace() {
  std::vector<ChunkNumber> chunks = image().trace();
  std::sort(chunks.begin(), chunks.end());
  for (std::size_t first = 0; first < chunks.size();) {
    const ImageLayer& layer = image().layer_of(chunks[first]);
    std::size_t end = first + 1;
    while (end < chunks.size() && chunks[end] == chunks[end - 1] + 1 && chunks[end] < layer.first + layer.chunks) ++end;
    table_.enqueue_piece({layer.handle, chunks[first] - layer.first, chunks[end - 1] + 1 - layer.first}, peer::FetchClass::kTrace);
    first = end;
  }
  pump();
}

void Node::read_on() {
  while (reading_ < scenario().reads_at_once && next_read_ < image().trace().size()) read(image().trace()[next_read_++]);
  if (read_ == image().trace().size() && !outcome_.first_output) outcome_.first_output = timeline().now();
}

void Node::read(ChunkNumber chunk) {
  if (has_[chunk]) {
    ++read_;
    return;
  }
  ++reading_;
  wait_begins();
  const auto done = [this](const absl::StatusOr<peer::ChunkBytes>& bytes) {
    --reading_;
    ++read_;
    if (!bytes.ok()) ++outcome_.failed_reads;
    later(Duration(0), [this] { read_on(); });
  };
  peer::FlightTable::Joined joined = table_.join(image().chunk(chunk), image().layer_of(chunk).blob,
                                                 peer::FetchClass::kBlocking, done, timeline().now());
  if (joined.refused) return joined.refused->done(std::move(joined.refused->result));
  if (joined.bytes != nullptr) return done(joined.bytes);
  if (joined.created != nullptr) table_.enqueue(joined.created);
  pump();
}

void Node::note_blobs() {
  for (const ImageLayer& layer : image().layers()) views_.note(layer.blob, timeline().now());
  ask_about_others();
}

/// The thread of Neighbours: one blob after the other, those first that are due first.
void Node::ask_about_others() {
  if (asking_) return;
  const auto due = views_.next(timeline().now(), kForget);
  if (!due) return;
  if (due->at > timeline().now()) {
    if (std::exchange(poll_planned_, true)) return;
    const Duration sleep = std::min<Duration>(due->at - timeline().now(), kLongestSleep);
    return later(sleep, [this] {
      poll_planned_ = false;
      if (attached_ || scenario().neighbours_known) note_blobs();
    });
  }
  asking_ = true;
  const bool answers = around_.site.alive();
  const Duration takes = answers ? 2 * machine_.latency() + std::chrono::milliseconds(1) : Duration(kConnectTimeout);
  later(takes, [this, blob = due->blob, answers] {
    asking_ = false;
    if (!answers || !around_.site.alive()) {
      views_.not_told(blob, kRetry, timeline().now());
    } else if (absl::StatusOr<seed::BlobReaders::Told> told = around_.site.neighbours(blob, url_); told.ok()) {
      views_.told(blob, {.urls = std::move(told->urls), .self = url_, .ticket = {}, .ask_again = told->ask_again}, timeline().now());
    }
    ask_about_others();
  });
}

void Node::got(ChunkNumber chunk) {
  if (has_[chunk]) return;
  has_[chunk] = true;
  const ImageLayer& layer = image().layer_of(chunk);
  if (swarms_[layer.number].id) around_.swarms[layer.number]->chunk_came(*swarms_[layer.number].id, chunk);
  --missing_of_[layer.number];
  if (--missing_ == 0) outcome_.complete = timeline().now();
}

void Node::vanish() {
  if (done()) return;
  outcome_.vanished = true;
  machine_.die();
  (void)table_.close();
}

}  // namespace samara::simulation
