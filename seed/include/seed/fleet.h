#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "peer/site_beat.h"
#include "peer/warm_protocol.h"

namespace samara::seed {

using Time = std::chrono::system_clock::time_point;

/// The nodes that a site hears of: who they are, and when each was heard last; and the sites below it, whose seeds tell
/// of theirs. A node of such a site is called "<site>/<node>" here.
///
/// In memory: after a restart the list fills again within a few heartbeats. A node that isn't heard of for `away` is
/// away; after `forget` it is forgotten. A name belongs to whoever used it first: another address or credential gets it
/// only once its owner is away.
/// Threads: one; whoever shares it locks. Time is an argument, and never taken from a clock.
class Fleet {
 public:
  struct Options {
    std::string site = "site";                 ///< this site's own name
    std::size_t max_nodes = 20'000;
    std::chrono::seconds away{20};
    std::chrono::hours forget{24};
  };
  struct Node {
    peer::Heartbeat last;   ///< without its reports
    std::string site;
    std::string address;    ///< numeric, without a port
    std::string sender;     ///< where its heartbeats come from: its own address, or its site's
    std::string client;     ///< by which credential; empty: none was needed
    Time first_heard, last_heard;
  };
  /// A site whose seed has this one's as parent.
  struct Child {
    peer::SiteBeat last;    ///< without nodes and reports
    std::string sender, client;
    Time last_heard;
    std::map<Digest, std::uint64_t> lacks;  ///< by manifest: bytes that would cross the link for it
  };
  explicit Fleet(Options options) : options_(std::move(options)) {}

  /// AlreadyExists (another machine uses that name), ResourceExhausted (too many nodes).
  absl::Status heard(peer::Heartbeat beat, std::string_view address, std::string_view client, Time now);
  /// A site below this one, with some of its nodes. Errors as heard(); AlreadyExists also for this site's own name.
  absl::Status heard_site(peer::SiteBeat beat, std::string_view address, std::string_view client, Time now);
  /// Drops those to be forgotten. From time to time.
  void sweep(Time now);

  const std::map<std::string, Node>& nodes() const { return nodes_; }
  /// nullptr when it isn't known.
  const Node* find(const std::string& name) const;
  bool is_away(const Node& node, Time now) const { return now - node.last_heard > options_.away; }
  bool is_here(const std::string& name, Time now) const;
  const std::map<std::string, Child>& children() const { return children_; }
  /// The site below this one that tells of the node; empty: it tells of itself.
  static std::string child_of(std::string_view node);
  /// Is the node's site one that isn't heard of just now?
  bool is_cut(std::string_view node, Time now) const;
  const Options& options() const { return options_; }
  /// Another number whenever a node came, came back, went, or changed its site or its labels.
  std::uint64_t version() const { return version_; }

  struct Site {
    std::size_t nodes = 0, away = 0;
    std::uint64_t disk_used = 0, disk_limit = 0;
    std::uint64_t from_site = 0, from_swarm = 0, from_neighbours = 0;
    std::uint64_t slow_reads = 0, slowest_read_ms = 0, waiting_reads = 0;
    std::uint64_t starts = 0, start_ms = 0, longest_start_ms = 0;  ///< start_ms: the median of the nodes' own
    const Child* child = nullptr;  ///< of the sites right below this one
  };
  /// By name; this site is always among them, and so are those below it.
  std::map<std::string, Site> sites(Time now) const;

 private:
  absl::Status full() const;
  void note(const std::string& name, peer::Heartbeat beat, const std::string& site, std::string_view address, std::string_view sender,
            std::string_view client, Time now);

  const Options options_;
  std::map<std::string, Node> nodes_;
  std::map<std::string, Child> children_;
  std::uint64_t version_ = 1;
};

/// Bytes that a node can take without evicting what is pinned; the largest number: no limit.
std::uint64_t room_of(const Fleet::Node& node);

}  // namespace samara::seed
