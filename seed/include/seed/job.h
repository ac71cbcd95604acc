#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "peer/warm_protocol.h"
#include "seed/fleet.h"

/// What a warm job is: what somebody asked for, and how far each node is with each image.
namespace samara::seed {

inline constexpr std::size_t kMostImages = 1024;  ///< of one job

/// One image that is to be warmed, and where.
struct WarmWish {
  std::string image;     ///< as people write it
  std::string platform;  ///< "linux/amd64"; empty: this machine's
  peer::WarmLevel level = peer::WarmLevel::kFull;
  std::string nodes;               ///< a Selector
  std::vector<std::string> sites;  ///< by name; empty: all
  std::chrono::seconds deadline{0};  ///< for this image, from the job's start; 0: none
};

struct WarmSpec {
  std::vector<WarmWish> images;
  std::chrono::seconds pin{0};   ///< kept from eviction for so long from the job's start; 0: not after the job's end
  bool plan = false;             ///< say what it would take, and move nothing
  std::string request;           ///< asked again with the same word, it is the same job; empty: another one each time
  std::string by;                ///< who asked, for people
};

/// One image on one node.
struct WarmItem {
  enum class State { kWaiting, kLooking, kFetching, kVerifying, kVerified, kFailed };
  State state = State::kWaiting;
  std::string site;                     ///< of the node
  bool away = false;                    ///< the node isn't heard of just now
  std::optional<std::uint64_t> missing;  ///< compressed bytes that the node lacked at first; nullopt: it hasn't said
  std::uint64_t done = 0, total = 0;
  std::string error;                    ///< of kFailed
  Time since;                           ///< when the state became this
  bool is_final() const { return state == State::kVerified || state == State::kFailed; }
};
std::string_view to_string(WarmItem::State state);

/// The link to a site below this one, as its seed told while nodes looked.
struct WarmLink {
  std::uint64_t lacks = 0;               ///< bytes of the image that the site hasn't got: they'll cross, whatever the level
  std::uint64_t rate = 0, day = 0, today = 0;  ///< as of peer::SiteBeat
  std::chrono::seconds to_midnight{0};   ///< UTC: until the day's budget is whole again
};

/// One image of a job.
struct WarmImageState {
  enum class Phase {
    kResolving,   ///< the registry is asked what the name means
    kLooking,     ///< nodes say what they lack
    kConverting,  ///< what isn't converted yet is
    kPlacing,     ///< nodes fetch and verify
    kFailed,      ///< for all nodes, before or while converting
  };
  WarmWish wish;
  Phase phase = Phase::kResolving;
  std::string error;                       ///< of kFailed
  std::optional<peer::WarmImage> image;    ///< from kLooking on
  Digest manifest;                         ///< from kLooking on
  std::uint64_t bytes = 0;                 ///< compressed, of what the level asks for; an estimate until it is converted
  std::uint64_t converted = 0, to_convert = 0;  ///< compressed bytes, while kConverting
  Time since;                              ///< when the phase became this
  std::map<std::string, WarmItem> items;   ///< by the node's name
  std::map<std::string, WarmLink> links;   ///< by the site; from the end of kLooking on
};
std::string_view to_string(WarmImageState::Phase phase);

struct Job {
  enum class State {
    kRunning,
    kPlanned,    ///< of a plan: it says what it would take
    kDone,       ///< every chosen node has verified everything
    kFailed,     ///< ended, and not every chosen node has everything
    kRefused,    ///< the deadline can't be met: nothing was moved
    kCancelled,
  };
  std::string id;  ///< "w12"
  WarmSpec spec;
  State state = State::kRunning;
  std::string reason;  ///< of kRefused and kFailed
  Time created, ended;
  Time started;  ///< from when deadlines and pins count: `created`, or when it was resumed
  std::vector<WarmImageState> images;
  bool is_over() const { return state != State::kRunning; }
};
std::string_view to_string(Job::State state);

/// Of one job, or of one of its images.
struct WarmCounts {
  std::size_t nodes = 0, verified = 0, failed = 0, away = 0;  ///< items
  std::uint64_t done = 0, total = 0;                          ///< compressed bytes that were to be moved
};
WarmCounts count(const WarmImageState& image);
WarmCounts count(const Job& job);
std::map<std::string, WarmCounts> count_by_site(const WarmImageState& image);

}  // namespace samara::seed
