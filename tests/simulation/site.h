#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "image.h"
#include "network.h"
#include "scenario.h"
#include "seed/blob_readers.h"
#include "seed/grants.h"
#include "seed/tracker.h"

namespace samara::simulation {

/// A site's own machine: who reads what (seed::BlobReaders), the tracker (seed::Tracker), leave to take part
/// (seed::Grants), and the image as it comes over the link from the centre, each chunk once, what a node waits for first.
class Site {
 public:
  struct Options {
    int number = 0;
    double link_mbit = 100;
    bool has_image = false;
  };
  /// Everything is borrowed; `centre` is the machine that has the image.
  Site(Timeline& timeline, const Scenario& scenario, const Image& image, Machine& centre, const Options& options);

  int number() const { return options_.number; }
  Machine& machine() { return *machine_; }
  Link& link() { return link_; }
  double link_mbit() const { return options_.link_mbit; }
  bool alive() const { return machine_->alive(); }
  void die();
  /// With what lay on its disk, and nothing of what was in memory.
  void restart();

  /// The image is wanted here: whatever it lacks comes over the link from now on.
  void begin_image();
  bool has(ChunkNumber chunk) const { return has_[chunk]; }
  /// Calls when the chunk is here, which may be never; brings it ahead of what nobody waits for.
  void when_here(ChunkNumber chunk, std::function<void()> here);
  /// Whether another one may wait for it.
  bool has_seat(ChunkNumber chunk) const;
  /// Told of every chunk that comes.
  void on_chunk(std::function<void(ChunkNumber)> listener) { listener_ = std::move(listener); }

  /// What nodes ask of it; each counts as a request. Nothing comes of a machine that is dead: the caller sees to that.
  absl::StatusOr<seed::BlobReaders::Told> neighbours(const Digest& blob, const std::string& url);
  /// Nullopt while the site doesn't share it: not all of it is here.
  std::optional<std::string> ticket(const ImageLayer& layer, const std::string& address);
  /// The tracker's answer, or its failure.
  std::string announce(const ImageLayer& layer, const std::string& token, const std::string& address,
                       seed::Announce announce);
  void count_request() { requests_.add(timeline_); }

  static std::string swarm_of(const ImageLayer& layer) { return layer.blob.key().substr(1, 20); }

  const Meter& requests() const { return requests_; }
  const Meter& announces() const { return announces_; }
  const Meter& lists() const { return lists_; }
  std::size_t longest_list() const { return longest_list_; }
  std::size_t most_waiting() const { return most_waiting_; }

 private:
  enum class State : std::uint8_t { kAbsent, kAsked, kHere };
  void open();
  void pull();
  void ask_centre(ChunkNumber chunk, bool urgent);
  void arrived(ChunkNumber chunk);

  Timeline& timeline_;
  const Scenario& scenario_;
  const Image& image_;
  Machine& centre_;
  const Options options_;
  std::unique_ptr<Machine> machine_;
  Link link_;

  std::unique_ptr<seed::BlobReaders> readers_;
  std::unique_ptr<seed::Tracker> tracker_;
  std::unique_ptr<seed::Grants> grants_;
  int lives_ = 0;

  std::vector<bool> has_;
  std::vector<State> states_;
  std::deque<ChunkNumber> urgent_;
  ChunkNumber next_ = 0;  // of what nobody waits for
  bool wanted_ = false;
  std::size_t under_way_ = 0, urgent_under_way_ = 0, waiting_ = 0;
  TimePoint last_rest_;  // when something that nobody waits for was asked for
  std::map<ChunkNumber, std::vector<std::function<void()>>> here_;
  std::function<void(ChunkNumber)> listener_;

  Meter requests_, announces_, lists_;
  std::size_t longest_list_ = 0, most_waiting_ = 0;
};

}  // namespace samara::simulation
