#include "bulk_swarm.h"

#include <algorithm>
#include <bit>

namespace samara::simulation {
namespace {

// As in peer/src/swarm: torrent_swarm.cc (kMaxConnections), session_settings.cc (request_timeout).
constexpr std::size_t kMostPeers = 60;
constexpr std::chrono::seconds kRequestTimeout{10};

constexpr std::uint64_t bit(std::uint32_t unit) { return std::uint64_t{1} << (unit % 64); }

}  // namespace

BulkSwarm::BulkSwarm(Timeline& timeline, const Scenario& scenario, const ImageLayer& layer, std::uint64_t seed)
    : timeline_(timeline),
      layer_(layer),
      unit_chunks_(scenario.unit_chunks),
      units_asked_(scenario.units_asked),
      seed_slots_(scenario.seed_slots),
      random_(seed),
      copies_(units()),
      flows_((Flow{1} << 62) | (static_cast<Flow>(layer.number) << 48)) {
  timeline_.after(std::chrono::seconds(1), [this] { look_after(); });
}

BulkSwarm::MemberId BulkSwarm::join(Machine& machine, const std::function<bool(ChunkNumber)>& has,
                                    std::function<void(ChunkNumber)> on_chunk) {
  const MemberId id = members_.size();
  Member& member = members_.emplace_back();
  member.machine = &machine;
  member.on_chunk = std::move(on_chunk);
  member.chunks.resize(layer_.chunks);
  member.have.resize((units() + 63) / 64);
  member.wanted.resize(member.have.size());
  member.last_arrival = timeline_.now();
  for (std::uint32_t unit = 0; unit < units(); ++unit) member.wanted[unit / 64] |= bit(unit);
  member.units_missing = units();
  for (std::uint32_t i = 0; i < layer_.chunks; ++i) {
    if (has(layer_.first + i)) chunk_came(id, layer_.first + i);
  }
  return id;
}

void BulkSwarm::connect(MemberId a, MemberId b) {
  Member &one = members_[a], &other = members_[b];
  if (a == b || one.peers.size() >= kMostPeers || other.peers.size() >= kMostPeers) return;
  if (std::find(one.peers.begin(), one.peers.end(), b) != one.peers.end()) return;
  one.peers.push_back(b);
  other.peers.push_back(a);
  if (may_ask(one, b)) ask(a, b);
  if (may_ask(other, a)) ask(b, a);
}

std::uint32_t BulkSwarm::chunks_of(std::uint32_t unit) const {
  return std::min(unit_chunks_, layer_.chunks - unit * unit_chunks_);
}

bool BulkSwarm::is_whole(const Member& member, std::uint32_t unit) const {
  const auto first = member.chunks.begin() + unit * unit_chunks_;
  return std::all_of(first, first + chunks_of(unit), [](bool here) { return here; });
}

void BulkSwarm::chunk_came(MemberId id, ChunkNumber chunk) {
  Member& member = members_[id];
  const std::uint32_t position = chunk - layer_.first, unit = position / unit_chunks_;
  if (member.chunks[position]) return;
  member.chunks[position] = true;
  if (is_whole(member, unit)) unit_is_whole(id, unit);
}

void BulkSwarm::unit_is_whole(MemberId id, std::uint32_t unit) {
  Member& member = members_[id];
  member.have[unit / 64] |= bit(unit);
  member.wanted[unit / 64] &= ~bit(unit);
  --member.units_missing;
  ++copies_[unit];
  const std::size_t first = member.peers.empty() ? 0 : random_() % member.peers.size();
  for (std::size_t i = 0; i < member.peers.size(); ++i) {
    const MemberId peer = member.peers[(first + i) % member.peers.size()];
    if ((members_[peer].wanted[unit / 64] & bit(unit)) != 0 && may_ask(members_[peer], id)) ask(peer, id);
  }
}

bool BulkSwarm::may_ask(const Member& member, MemberId peer) const {
  if (member.units_missing == 0 || member.asked.size() >= units_asked_ || !member.machine->alive()) return false;
  if (!members_[peer].machine->alive()) return false;
  if (peer == 0 && seed_slots_ > 0 && members_[0].giving >= seed_slots_) return false;
  return std::none_of(member.asked.begin(), member.asked.end(), [&](const Asked& asked) { return asked.peer == peer; });
}

/// -1 when the peer has nothing that is wanted.
int BulkSwarm::rarest(const Member& member, const Member& peer) {
  int found = -1, ties = 0;
  for (std::size_t word = 0; word < member.wanted.size(); ++word) {
    for (std::uint64_t bits = member.wanted[word] & peer.have[word]; bits != 0; bits &= bits - 1) {
      const auto unit = static_cast<int>(word * 64) + std::countr_zero(bits);
      const std::uint32_t copies = copies_[static_cast<std::size_t>(unit)];
      if (found >= 0 && copies > copies_[static_cast<std::size_t>(found)]) continue;
      ties = found >= 0 && copies == copies_[static_cast<std::size_t>(found)] ? ties + 1 : 1;
      if (ties == 1 || random_() % static_cast<std::uint64_t>(ties) == 0) found = unit;
    }
  }
  return found;
}

void BulkSwarm::ask(MemberId id, MemberId from) {
  Member &member = members_[id], &peer = members_[from];
  const int picked = rarest(member, peer);
  if (picked < 0) return;
  const auto unit = static_cast<std::uint32_t>(picked);
  member.wanted[unit / 64] &= ~bit(unit);
  std::uint32_t missing = 0;
  for (std::uint32_t i = 0; i < chunks_of(unit); ++i) missing += member.chunks[unit * unit_chunks_ + i] ? 0 : 1;
  const std::uint64_t request = ++requests_;
  member.asked.push_back({request, from, unit, timeline_.now()});
  ++peer.giving;
  const Flow flow = flows_ | (id << 24) | from;
  timeline_.after(peer.machine->latency(), [this, id, from, flow, missing, request, unit] {
    if (!members_[from].machine->alive()) return;
    members_[from].machine->send(*members_[id].machine, flow, missing * kChunkBytes,
                                 [this, id, request, unit] { came(id, request, unit); });
  });
}

void BulkSwarm::came(MemberId id, std::uint64_t request, std::uint32_t unit) {
  std::erase_if(members_[id].asked, [&](const Asked& asked) {
    if (asked.id != request) return false;
    free_slot(asked.peer);
    return true;
  });
  members_[id].last_arrival = timeline_.now();
  for (std::uint32_t i = 0; i < chunks_of(unit); ++i) {
    const std::uint32_t position = unit * unit_chunks_ + i;
    if (members_[id].chunks[position]) continue;
    members_[id].on_chunk(layer_.first + position);  // which tells chunk_came()
  }
  ask_all(id);
}

/// The peer gives to one less; of the site's few slots another one gets it, whoever asks first.
void BulkSwarm::free_slot(MemberId id) {
  --members_[id].giving;
  if (id != 0 || seed_slots_ == 0 || members_[0].peers.empty()) return;
  timeline_.after(Duration(0), [this] {
    const std::vector<MemberId>& peers = members_[0].peers;
    const std::size_t first = random_() % peers.size();
    for (std::size_t i = 0; i < peers.size() && members_[0].giving < seed_slots_; ++i) {
      const MemberId peer = peers[(first + i) % peers.size()];
      if (may_ask(members_[peer], 0)) ask(peer, 0);
    }
  });
}

void BulkSwarm::ask_all(MemberId id) {
  const std::size_t count = members_[id].peers.size();
  if (count == 0) return;
  const std::size_t first = random_() % count;
  for (std::size_t i = 0; i < count && members_[id].asked.size() < units_asked_; ++i) {
    const MemberId peer = members_[id].peers[(first + i) % count];
    if (may_ask(members_[id], peer)) ask(id, peer);
  }
}

/// Each second: what was asked for long ago is asked of others, and who has nothing to do looks again.
void BulkSwarm::look_after() {
  for (MemberId id = 0; id < members_.size(); ++id) {
    Member& member = members_[id];
    if (member.units_missing == 0 || !member.machine->alive()) continue;
    std::erase_if(member.asked, [&](const Asked& asked) {
      if (timeline_.now() - asked.since < kRequestTimeout) return false;
      free_slot(asked.peer);
      if (!is_whole(member, asked.unit)) member.wanted[asked.unit / 64] |= bit(asked.unit);
      return true;
    });
    ask_all(id);
  }
  timeline_.after(std::chrono::seconds(1), [this] { look_after(); });
}

}  // namespace samara::simulation
