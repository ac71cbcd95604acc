#include <algorithm>

#include "base/text.h"
#include "node.h"
#include "peer/swarm_prefetch.h"

/// What BackgroundFetch, SwarmPrefetch and libtorrent's announces do, in virtual time.
namespace samara::simulation {
namespace {

using seed::Announce;
using std::chrono::milliseconds;

// Those of BackgroundFetch::Options, which this program isn't linked with.
constexpr milliseconds kQuiet{2'000}, kStall{30'000};
constexpr std::uint32_t kWindowChunks = (16u << 20) / kChunkBytes;
constexpr milliseconds kPoll{500};          // it polls more often; only the beginning of a layer depends on it
constexpr milliseconds kAskAgain{15'000};   // a tracker that doesn't answer
const milliseconds kRetry = peer::SwarmPrefetch::Options().retry;
constexpr milliseconds kRenew{60'000};      // SwarmPrefetch's: what trackers refuse

std::string packed(const std::string& address) {
  std::string bytes;
  for (std::size_t begin = 0; begin < address.size();) {
    const std::size_t end = std::min(address.find('.', begin), address.size());
    bytes.push_back(static_cast<char>(std::stoi(address.substr(begin, end - begin))));
    begin = end + 1;
  }
  return bytes;
}

/// The number behind "i" behind the key, of a bencoded answer.
std::chrono::seconds interval_of(const std::string& answer) {
  const std::string key = "8:intervali";
  const std::size_t at = answer.find(key);
  return std::chrono::seconds(at == std::string::npos ? 0 : std::stol(answer.substr(at + key.size())));
}

std::string_view peers_of(const std::string& answer) {
  const std::string key = "5:peers";
  const std::size_t at = answer.find(key);
  if (at == std::string::npos) return {};
  const std::size_t colon = answer.find(':', at + key.size());
  return std::string_view(answer).substr(colon + 1, std::stoul(answer.substr(at + key.size())));
}

}  // namespace

void Node::background_step() {
  const auto layer = std::find_if(image().layers().begin(), image().layers().end(), [this](const auto& each) { return !has_all(each); });
  if (layer == image().layers().end()) return;
  later(kPoll, [this] { background_step(); });
  if (table_.fetching_blocking() || timeline().now() - last_blocking_ < kQuiet) return;

  Membership& swarm = swarms_[layer->number];
  const auto first = has_.begin() + layer->first;
  const std::uint32_t missing = missing_of_[layer->number];
  const bool begins = swarm.missing == 0;
  const bool moves = missing != swarm.missing;
  if (moves) swarm.window = timeline().now();
  if (scenario().swarm && !swarm.asked) ask_for_ticket(*layer);
  const bool stalls = !moves && timeline().now() - swarm.window >= kStall;
  const bool swarm_has_it =
      scenario().swarm && !swarm.refused && (!swarm.id || timeline().now() - around_.swarms[layer->number]->last_arrival(*swarm.id) <
                                            peer::SwarmPrefetch::Options().stall);
  // Windows of what is missing, one after the other: the next one when the last one is here.
  const auto next = static_cast<std::uint32_t>(std::find(first, first + layer->chunks, false) - first);
  const bool window_done = swarm.window_end <= next;
  if (!begins && !stalls && !window_done) {
    swarm.missing = missing;
    return;
  }
  swarm.missing = missing;
  swarm.window = timeline().now();
  swarm.window_end = std::min(layer->chunks, next + kWindowChunks);
  if (swarm_has_it) return;
  table_.enqueue_piece({layer->handle, next, swarm.window_end}, peer::FetchClass::kBackground);
  pump();
}

void Node::ask_for_ticket(const ImageLayer& layer) {
  Membership& swarm = swarms_[layer.number];
  swarm.asked = true;
  if (!around_.site.alive()) {
    swarm.refused = !swarm.id;
    return later(kRetry, [&swarm] { swarm.asked = false; });
  }
  later(2 * machine_.latency(), [this, &layer, &swarm] {
    const std::optional<std::string> token = around_.site.ticket(layer, address_);
    swarm.refused = !token;
    if (swarm.refused) return later(kRetry, [&swarm] { swarm.asked = false; });
    swarm.token = *token;
    BulkSwarm& bulk = *around_.swarms[layer.number];
    if (!swarm.id) {
      swarm.id = bulk.join(machine_, [this](ChunkNumber chunk) { return bool{has_[chunk]}; }, [this](ChunkNumber chunk) { got(chunk); });
      bulk.connect(*swarm.id, 0);
    }
    announce(layer.number, Announce::Event::kStarted);
  });
}

void Node::announce(std::size_t layer, Announce::Event event) {
  if (!around_.site.alive()) return later(kAskAgain, [this, layer, event] { announce(layer, event); });
  const ImageLayer& of = image().layers()[layer];
  Announce announce;
  announce.address = packed(address_);
  announce.port = 7702;
  announce.left = has_all(of) ? 0 : 1;
  announce.event = event;
  heard(layer, around_.site.announce(of, swarms_[layer].token, address_, announce));
}

void Node::heard(std::size_t layer, const std::string& answer) {
  const std::chrono::seconds interval = interval_of(answer);
  if (interval.count() == 0) {  // refused: SwarmPrefetch::renew() asks for a new token
    const Duration until = Duration(kRenew) * static_cast<int>(around_.random() % 1000) / 1000;
    return later(until, [this, layer] { ask_for_ticket(image().layers()[layer]); });
  }
  const std::string_view peers = peers_of(answer);
  for (std::size_t i = 0; i + 6 <= peers.size(); i += 6) {
    const auto byte = [&](std::size_t at) { return static_cast<int>(static_cast<unsigned char>(peers[i + at])); };
    const auto number = static_cast<std::size_t>(byte(2) * 250 + byte(3) - 1);
    const auto& other = around_.nodes[number]->swarms_[layer].id;
    if (other) around_.swarms[layer]->connect(*swarms_[layer].id, *other);
  }
  later(interval, [this, layer] { announce(layer, Announce::Event::kNone); });
}

}  // namespace samara::simulation
