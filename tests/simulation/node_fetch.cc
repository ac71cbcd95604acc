#include <algorithm>
#include <string>

#include "node.h"
#include "peer/chunk_fetcher.h"
#include "peer/neighbour_service.h"
#include "peer/neighbour_source.h"
#include "peer/neighbours.h"

/// What ChunkFetcher's workers, NeighbourSource and NeighbourService do, in virtual time.
namespace samara::simulation {
namespace {

using peer::FetchClass, peer::FlightPtr;
using std::chrono::milliseconds;

const peer::ChunkBytes kBytes = std::make_shared<const std::string>("bytes");

constexpr milliseconds kTick{5};  // how precisely FlightTable keeps its times
const milliseconds kFirstAnswer = peer::Neighbours::Options().first_answer;
constexpr milliseconds kNeighbourConnects{100}, kNeighbourSilence{1'500};  // those of neighbours.cc
constexpr milliseconds kSiteConnects{3'000}, kSiteSilence{10'000};         // those of site_client.cc
constexpr milliseconds kSitePatience{8'000};                               // of registry-proxy/docs/sites.md
enum Source : std::size_t { kOwners, kSite, kAnybody, kNone };

}  // namespace

void Node::pump() {
  const std::size_t all = peer::ChunkFetcher::Options().workers;
  while (workers_ < all && alive()) {
    std::optional<peer::FetchTask> task = table_.poll_task();
    if (!task) return;
    if (task->piece) task->run = plan(*std::move(task->piece), task->urgency);
    if (task->run.empty()) {
      table_.task_done(task->urgency);
      continue;
    }
    ++workers_;
    table_.begins(task->run, timeline().now());
    auto fetch = std::make_shared<Fetch>();
    fetch->since = timeline().now();
    fetch->task = *std::move(task);
    next_source(fetch);
  }
}

/// As ChunkFetcher::Impl::plan().
std::vector<FlightPtr> Node::plan(peer::LayerPiece piece, FetchClass urgency) {
  const ImageLayer& layer = image().layer_of(piece.layer);
  const std::uint64_t most = peer::ChunkFetcher::Options().max_request_bytes;
  std::vector<cache_index::Chunk> missing;
  for (; piece.begin < piece.end; ++piece.begin) {
    if (has_[layer.first + piece.begin]) continue;
    const cache_index::Chunk chunk = image().chunk(layer.first + piece.begin);
    if (!missing.empty() && (missing.back().blob_range().end != chunk.blob_offset || (missing.size() + 1) * kChunkBytes > most)) break;
    missing.push_back(chunk);
  }
  std::vector<FlightPtr> run = table_.claim(missing, layer.blob, urgency, timeline().now());
  table_.give_back(std::move(piece), urgency);
  return run;
}

void Node::next_source(const FetchPtr& fetch) {
  if (fetch->source == kNone) return end(fetch);
  fetch->parts = table_.wanted(fetch->task.run, nullptr);
  fetch->part = 0;
  if (fetch->parts.empty()) return end(fetch);
  next_part(fetch);
}

void Node::next_part(const FetchPtr& fetch) {
  if (fetch->part == fetch->parts.size()) {
    ++fetch->source;
    return next_source(fetch);
  }
  fetch->url = fetch->done = 0;
  if (fetch->source == kSite) return ask_site(fetch);
  const peer::Flight& first = *fetch->parts[fetch->part].front();
  const bool owners = fetch->source == kOwners;
  views_.note(first.blob, timeline().now());
  ask_about_others();
  if (owners && !views_.is_settled(first.blob) && timeline().now() - fetch->since < kFirstAnswer) {
    return later(milliseconds(1), [this, fetch] { next_part(fetch); });
  }
  fetch->urls = owners ? views_.whom_to_ask(first.blob, first.chunk.blob_offset, timeline().now()).urls
                       : views_.anybody(first.blob, first.chunk.blob_offset, timeline().now()).urls;
  const std::size_t most = owners ? peer::NeighbourSource::kMostOwnersAsked : peer::NeighbourSource::kMostOthersAsked;
  if (owners) fetch->why_site = why_site(first);
  if (fetch->urls.size() > most) fetch->urls.resize(most);
  ask_neighbour(fetch);
}

/// What is to be asked of the site is asked because of this.
std::uint64_t Node::Outcome::*Node::why_site(const peer::Flight& first) {
  if (views_.is_ours(first.blob, first.chunk.blob_offset, timeline().now())) return &Outcome::as_owner;
  const bool known = !views_.anybody(first.blob, first.chunk.blob_offset, timeline().now()).urls.empty();
  return known ? &Outcome::in_vain : &Outcome::as_stranger;
}

/// As NeighbourSource::fetch(): one after the other, for what is left.
void Node::ask_neighbour(const FetchPtr& fetch) {
  const std::vector<FlightPtr>& part = fetch->parts[fetch->part];
  if (fetch->url == fetch->urls.size() || fetch->done == part.size()) {
    ++fetch->part;
    return later(Duration(0), [this, fetch] { next_part(fetch); });
  }
  const std::string url = fetch->urls[fetch->url++];
  Node* const other = around_.find(url);
  if (other == nullptr || !other->alive()) {
    return later(kNeighbourConnects, [this, fetch, url] {
      views_.failed(url, timeline().now());
      ask_neighbour(fetch);
    });
  }
  Ask ask{.asker = *this, .chunks = {}, .on_unit = nullptr, .on_end = nullptr};
  const std::size_t first = fetch->done;
  for (std::size_t i = first; i < part.size(); ++i) ask.chunks.push_back(Image::number_of(part[i]->chunk.digest));
  ask.on_unit = [this, fetch, first](std::size_t i) {
    outcome_.from_neighbours += kChunkBytes;
    fetch->done = first + i + 1;
    frame_came(fetch->parts[fetch->part][first + i]);
  };
  ask.on_end = [this, fetch, url](StreamEnds::End end) {
    if (end == StreamEnds::End::kComplete) views_.answered(url);
    if (end == StreamEnds::End::kSilence) views_.failed(url, timeline().now());
    ask_neighbour(fetch);
  };
  later(2 * machine_.latency(), [other, ask = std::move(ask)] { other->serve(ask); });
}

/// Frames that are on their way to whoever asked this node for them.
struct Node::Arrivals {
  std::vector<int> frames;  // 0: not yet, 1: here, -1: not to be had
  std::function<void(bool)> waits;
  std::size_t waits_for = 0;

  void came(std::size_t i, bool here) {
    frames[i] = here ? 1 : -1;
    if (waits_for == i) say(here);
  }
  void say(bool here) {
    if (waits) std::exchange(waits, nullptr)(here);
  }
};

/// What isn't here is fetched as for this node itself, as ChunkFetcher::read_frame().
std::shared_ptr<Node::Arrivals> Node::join_frames(const std::vector<ChunkNumber>& chunks) {
  const auto arrivals = std::make_shared<Arrivals>();
  arrivals->frames.resize(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (has_[chunks[i]]) {
      arrivals->came(i, true);
      continue;
    }
    wait_begins();
    const auto done = [arrivals, i](const absl::StatusOr<peer::ChunkBytes>& bytes) { arrivals->came(i, bytes.ok()); };
    peer::FlightTable::Joined joined =
        table_.join(image().chunk(chunks[i]), image().layer_of(chunks[i]).blob, FetchClass::kBlocking, done, timeline().now(), true);
    if (joined.refused) joined.refused->done(std::move(joined.refused->result));
    else if (joined.bytes != nullptr) done(joined.bytes);
    else if (joined.created != nullptr) table_.enqueue(joined.created);
  }
  return arrivals;
}

void Node::serve(Ask ask) {
  const peer::NeighbourService::Options options;
  const auto refuse = [&] {
    ++ask.asker.outcome_.refusals;
    ask.asker.later(machine_.latency(), [end = ask.on_end] { end(StreamEnds::End::kShort); });
  };
  if (!alive()) return ask.asker.later(kNeighbourSilence, [end = ask.on_end] { end(StreamEnds::End::kSilence); });
  const ImageLayer& layer = image().layer_of(ask.chunks.front());
  if (serving_ >= options.max_requests || !attached_) return refuse();
  const std::uint64_t offset = std::uint64_t{ask.chunks.front() - layer.first} * kChunkBytes;
  const bool ours = views_.is_ours(layer.blob, offset, timeline().now());
  if (!ours && !std::all_of(ask.chunks.begin(), ask.chunks.end(), [&](ChunkNumber chunk) { return has_[chunk]; })) return refuse();

  const auto arrivals = join_frames(ask.chunks);
  pump();
  ++serving_;
  begin_stream(timeline(), around_.next_flow++,
               {.server = machine_,
                .client = ask.asker.machine_,
                .units = ask.chunks.size(),
                .silence = kNeighbourSilence,
                .obtain =
                    [this, arrivals, patience = options.patience](std::size_t i, std::function<void(bool)> has) {
                      if (arrivals->frames[i] != 0) return has(arrivals->frames[i] > 0);
                      arrivals->waits_for = i;
                      arrivals->waits = std::move(has);
                      later(patience, [arrivals, i] {
                        if (arrivals->waits_for == i) arrivals->say(false);
                      });
                    },
                .on_unit = ask.on_unit,
                .on_end = ask.on_end,
                .on_server_done = [this] { --serving_; }});
}

void Node::ask_site(const FetchPtr& fetch) {
  if (!around_.site.alive()) {
    return later(kSiteConnects, [this, fetch] {
      ++fetch->part;
      next_part(fetch);
    });
  }
  around_.site.count_request();
  const bool needs_seat = fetch->task.urgency != FetchClass::kBackground;
  if (needs_seat && !around_.site.has_seat(Image::number_of(fetch->parts[fetch->part].front()->chunk.digest))) {
    ++outcome_.turned_away;
    return later(2 * machine_.latency(), [this, fetch] {
      ++fetch->part;
      next_part(fetch);
    });
  }
  const std::vector<FlightPtr> part = fetch->parts[fetch->part];
  Site& site = around_.site;
  begin_stream(timeline(), around_.next_flow++,
               {.server = site.machine(),
                .client = machine_,
                .units = part.size(),
                .silence = kSiteSilence,
                .obtain =
                    [this, &site, part, needs_seat](std::size_t i, std::function<void(bool)> has) {
                      const ChunkNumber chunk = Image::number_of(part[i]->chunk.digest);
                      if (needs_seat && !site.has_seat(chunk)) return has(false);
                      const auto once = std::make_shared<std::function<void(bool)>>(std::move(has));
                      const auto say = [once](bool here) {
                        if (*once) std::exchange(*once, nullptr)(here);
                      };
                      if (!site.has(chunk)) timeline().after(kSitePatience, [say] { say(false); });
                      site.when_here(chunk, [say] { say(true); });
                    },
                .on_unit =
                    [this, part, why = fetch->why_site](std::size_t i) {
                      outcome_.*why += kChunkBytes;
                      frame_came(part[i]);
                    },
                .on_end = [this, fetch](StreamEnds::End) {
                  ++fetch->part;
                  later(Duration(0), [this, fetch] { next_part(fetch); });
                }});
}

void Node::frame_came(const FlightPtr& flight) {
  peer::FlightTable::Delivered delivered = table_.deliver(flight, kBytes, kBytes);
  if (!delivered.first) return;
  if (delivered.urgency == FetchClass::kBlocking) last_blocking_ = timeline().now();
  got(Image::number_of(flight->chunk.digest));
  send(std::move(delivered.replies));
  table_.stored(flight);
}

void Node::end(const FetchPtr& fetch) {
  peer::FlightTable::Dropped dropped =
      table_.give_up(fetch->task.run, absl::UnavailableError("nobody gave it"), timeline().now());
  for (const FlightPtr& flight : fetch->task.run) {
    if (flight->retry_at) tick_at(*flight->retry_at + kTick);
  }
  if (!dropped.chunks.empty()) last_blocking_ = timeline().now();
  send(std::move(dropped.replies));
  table_.task_done(fetch->task.urgency);
  --workers_;
  later(Duration(0), [this] { pump(); });
}

/// FlightTable is to be told when a hedge or the read's deadline may be due.
void Node::wait_begins() {
  const peer::ChunkFetcher::Options options;
  const TimePoint hedge = timeline().now() + options.hedge_after;
  if (hedge > last_tick_) {
    last_tick_ = hedge + kTick;
    tick_at(last_tick_);
    tick_at(last_tick_ + options.read_deadline);
  }
}

void Node::tick_at(TimePoint due) {
  later(due - timeline().now(), [this] {
    send(table_.tick(timeline().now()));
    pump();
  });
}

}  // namespace samara::simulation
