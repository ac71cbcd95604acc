#pragma once

#include <list>
#include <mutex>
#include <string>

#include "base/http/client.h"
#include "peer/neighbours.h"
#include "peer/range_source.h"

namespace samara::peer {

/// The other nodes of the site as a source: each region of a blob is asked of those nodes that bring it in, so that a
/// thousand nodes that start the same image cost the site a few copies. That one stands in front of the site: what a
/// neighbour hasn't got, or doesn't give at once, is asked of the site next. Another one stands behind it: while no site
/// answers, anybody may have the bytes.
/// Threads: any, many at once.
class NeighbourSource final : public RangeSource {
 public:
  enum class Who { kOwners, kAnybody };
  /// More only delay the site's answer.
  static constexpr std::size_t kMostOwnersAsked = 2, kMostOthersAsked = 8;
  /// A neighbour that gives less than this for longer than a second counts as silent, however many single bytes come.
  static constexpr std::uint64_t kLeastBytesPerSecond = 64u << 10;
  /// Both are borrowed.
  NeighbourSource(http::Client& client, Neighbours& neighbours, Who who)
      : client_(client), neighbours_(neighbours), who_(who) {}

  std::string_view name() const override { return "neighbours"; }
  bool stands_in() const override { return true; }
  /// Of owners: NotFound at once for what this node brings in itself.
  absl::Status fetch(const Digest& object, const ByteRange& range, std::stop_token stop,
                     const OnBytes& on_bytes) override;
  void gave_wrong_bytes(const Digest& object, std::uint64_t offset) override;

 private:
  /// A neighbour's answer that is arriving.
  struct Transfer {
    const Digest& object;
    ByteRange range;
    const std::string& url;
    bool lied = false;
  };
  absl::Status fetch_from(const std::string& url, const std::string& ticket, const Digest& object,
                          ByteRange range, std::stop_token stop, const OnBytes& on_bytes);
  bool has_lied(const Transfer& transfer);

  http::Client& client_;
  Neighbours& neighbours_;
  const Who who_;
  std::mutex mutex_;
  std::list<Transfer> transfers_;
};

}  // namespace samara::peer
