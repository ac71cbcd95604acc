#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "image.h"
#include "network.h"
#include "scenario.h"

namespace samara::simulation {

/// The swarm of a layer within a site: a model of what libtorrent does with the settings of peer/src/swarm. Rarest first
/// over units of a few chunks, one unit at a time of each peer, peers as the tracker names them. README.md says what it
/// leaves out.
class BulkSwarm {
 public:
  using MemberId = std::size_t;
  BulkSwarm(Timeline& timeline, const Scenario& scenario, const ImageLayer& layer, std::uint64_t seed);

  /// `on_chunk` is told of chunks that come from peers, `has` of what is there already.
  MemberId join(Machine& machine, const std::function<bool(ChunkNumber)>& has, std::function<void(ChunkNumber)> on_chunk);
  /// Both ways, unless one of them has enough peers.
  void connect(MemberId a, MemberId b);
  /// The member got it some other way.
  void chunk_came(MemberId member, ChunkNumber chunk);

  TimePoint last_arrival(MemberId member) const { return members_[member].last_arrival; }

 private:
  struct Asked {
    std::uint64_t id;
    MemberId peer;
    std::uint32_t unit;
    TimePoint since;
  };
  struct Member {
    Machine* machine;
    std::function<void(ChunkNumber)> on_chunk;
    std::vector<bool> chunks;
    std::vector<std::uint64_t> have, wanted;  // units, a bit each; wanted: neither here nor asked for
    std::vector<MemberId> peers;
    std::vector<Asked> asked;
    TimePoint last_arrival;
    std::size_t giving = 0;  // to so many at once
    std::uint32_t units_missing = 0;
  };

  std::uint32_t units() const { return (layer_.chunks + unit_chunks_ - 1) / unit_chunks_; }
  std::uint32_t chunks_of(std::uint32_t unit) const;
  bool is_whole(const Member& member, std::uint32_t unit) const;
  void unit_is_whole(MemberId id, std::uint32_t unit);
  bool may_ask(const Member& member, MemberId peer) const;
  int rarest(const Member& member, const Member& peer);
  void free_slot(MemberId id);
  void ask_all(MemberId id);
  void ask(MemberId id, MemberId peer);
  void came(MemberId id, std::uint64_t request, std::uint32_t unit);
  void look_after();

  Timeline& timeline_;
  const ImageLayer& layer_;
  const std::uint32_t unit_chunks_;
  const std::size_t units_asked_, seed_slots_;
  std::mt19937_64 random_;
  std::vector<Member> members_;
  std::vector<std::uint32_t> copies_;  // of each unit, with those who are alive or were
  std::uint64_t requests_ = 0;
  const Flow flows_;
};

}  // namespace samara::simulation
