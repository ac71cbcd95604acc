#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "peer/site_client.h"

namespace samara::peer {

/// The other samara-sites of the same site: for each blob one of them all is elected to bring it across the link, and the
/// others have it from that one (rendezvous hashing, neighbour_ranking.h). A sibling that doesn't answer is passed over
/// for a while, and the next one's turn it is.
///
/// As a source it gives what an elected sibling gives, and NotFound when this site itself is the one that is to bring it.
/// Only siblings that stand before this site for the blob are asked, so nobody asks in a circle as long as all of them are
/// told the same names.
/// Threads: any.
class Siblings final : public RangeSource {
 public:
  struct Options {
    std::string self;               ///< this site's URL as it stands in `urls`
    std::vector<std::string> urls;  ///< of all samara-sites of the site, the same on each
    std::chrono::milliseconds first_rest{1'000}, longest_rest{60'000};  ///< of one that doesn't answer
  };
  /// The first and the last are borrowed.
  Siblings(http::Client& client, Options options, SiteAccess access, const Clock& clock);

  /// As SiteClient's: one that was away when a blob came is asked for its layer.
  void remembers(LayerOrigins& origins);

  /// Whom to have the blob from now, best first; empty: it is this site's to bring.
  std::vector<SiteClient*> before_us(const Digest& blob);
  /// What came of asking one of those.
  void note(const SiteClient* sibling, const absl::Status& outcome);

  std::string_view name() const override { return "sibling"; }
  bool stands_in() const override { return true; }
  absl::Status fetch(const Digest& object, const ByteRange& range, std::stop_token stop,
                     const OnBytes& on_bytes) override;
  absl::Status fetch_for(FetchClass urgency, const Digest& object, const ByteRange& range, std::stop_token stop,
                         const OnBytes& on_bytes) override;

 private:
  struct Sibling {
    std::unique_ptr<SiteClient> client;
    unsigned failures = 0;
    std::chrono::steady_clock::time_point rests_until;
  };

  const Options options_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Sibling> siblings_;  // by URL; never changes but for how they do
};

}  // namespace samara::peer
