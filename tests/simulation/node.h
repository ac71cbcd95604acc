#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bulk_swarm.h"
#include "flight_table.h"
#include "peer/neighbour_views.h"
#include "site.h"
#include "stream.h"

namespace samara::simulation {

class Node;

/// What the nodes of a site share of the simulation.
struct Neighbourhood {
  Timeline& timeline;
  const Scenario& scenario;
  const Image& image;
  Site& site;
  std::vector<std::unique_ptr<BulkSwarm>> swarms{};  ///< by layer; the site is member 0
  std::vector<std::unique_ptr<Node>> nodes{};
  std::mt19937_64 random{};
  Flow next_flow = 1;

  Node* find(std::string_view url);
};

/// A node: starts the image, serves its neighbours, takes part in swarms.
///
/// Its decisions are the product's: peer::FlightTable (what is fetched when, hedges, retries), peer::NeighbourViews (whom
/// to ask), NeighbourSource and NeighbourService (how often, how long). What moves bytes in ChunkFetcher, and the
/// snapshotter's BackgroundFetch and SwarmPrefetch, is put into steps of virtual time here.
class Node {
 public:
  struct Outcome {
    std::optional<TimePoint> begun, first_output, complete;
    /// Bytes that reads and prefetches brought: from the site because nobody else was known, because they are this
    /// node's to bring, because neighbours were asked in vain; from neighbours.
    std::uint64_t as_stranger = 0, as_owner = 0, in_vain = 0, from_neighbours = 0;
    std::uint64_t failed_reads = 0, turned_away = 0, refusals = 0;
    bool vanished = false;
  };

  Node(Neighbourhood& around, int number);

  /// The image's layers are attached here.
  void knows_of_others() { note_blobs(); }
  /// A container of the image is made.
  void start();
  void vanish();
  const Outcome& outcome() const { return outcome_; }
  const std::string& url() const { return url_; }
  const std::string& address() const { return address_; }
  Machine& machine() { return machine_; }
  bool done() const { return outcome_.vanished || (outcome_.first_output && (outcome_.complete || !scenario().background)); }

  /// Another node asks for a run of chunks of a layer; what NeighbourService does.
  struct Ask {
    Node& asker;
    std::vector<ChunkNumber> chunks;
    std::function<void(std::size_t i)> on_unit;
    std::function<void(StreamEnds::End)> on_end;
  };
  void serve(Ask ask);

 private:
  /// A task of a worker: sources in turn, as ChunkFetcher::Impl::fetch().
  struct Fetch {
    peer::FetchTask task;
    std::size_t source = 0;
    TimePoint since;
    std::vector<std::vector<peer::FlightPtr>> parts;
    std::size_t part = 0;
    std::vector<std::string> urls;
    std::size_t url = 0, done = 0;  // neighbour asked, flights of the part that came
    std::uint64_t Outcome::*why_site = nullptr;
  };
  using FetchPtr = std::shared_ptr<Fetch>;
  struct Arrivals;

  const Scenario& scenario() const { return around_.scenario; }
  const Image& image() const { return around_.image; }
  Timeline& timeline() { return around_.timeline; }
  bool alive() const { return machine_.alive(); }
  void later(Duration delay, std::function<void()> action);

  // node.cc: the start.
  void fetch_indexes();
  void attached();
  void prefetch_trace();
  void read_on();
  void read(ChunkNumber chunk);
  void note_blobs();
  void ask_about_others();
  void got(ChunkNumber chunk);

  // node_fetch.cc: the scheduler's workers.
  void pump();
  std::vector<peer::FlightPtr> plan(peer::LayerPiece piece, peer::FetchClass urgency);
  void next_source(const FetchPtr& fetch);
  void next_part(const FetchPtr& fetch);
  std::uint64_t Outcome::*why_site(const peer::Flight& first);
  void ask_neighbour(const FetchPtr& fetch);
  void ask_site(const FetchPtr& fetch);
  std::shared_ptr<Arrivals> join_frames(const std::vector<ChunkNumber>& chunks);
  void frame_came(const peer::FlightPtr& flight);
  void end(const FetchPtr& fetch);
  void wait_begins();
  void tick_at(TimePoint due);

  // node_background.cc: the rest of the image.
  void background_step();
  void ask_for_ticket(const ImageLayer& layer);
  void announce(std::size_t layer, seed::Announce::Event event);
  void heard(std::size_t layer, const std::string& answer);
  bool has_all(const ImageLayer& layer) const { return missing_of_[layer.number] == 0; }

  Neighbourhood& around_;
  const int number_;
  const std::string address_, url_;
  Machine machine_;
  peer::FlightTable table_;
  peer::NeighbourViews views_;
  Outcome outcome_;

  std::vector<bool> has_;
  std::uint32_t missing_;
  std::vector<std::uint32_t> missing_of_;  // by layer
  std::size_t workers_ = 0, serving_ = 0;
  bool attached_ = false, asking_ = false, poll_planned_ = false;
  TimePoint last_tick_;  // that is planned
  std::size_t next_read_ = 0, reading_ = 0, read_ = 0;
  TimePoint last_blocking_;

  struct Membership {
    std::optional<BulkSwarm::MemberId> id;
    bool asked = false, refused = false;
    std::string token;
    TimePoint window;  // since when the layer's window has brought nothing
    std::uint32_t missing = 0, window_end = 0;
  };
  std::vector<Membership> swarms_;  // by layer
};

}  // namespace samara::simulation
