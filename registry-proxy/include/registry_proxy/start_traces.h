#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/http/server.h"
#include "cache_index/cache.h"
#include "peer/site_client.h"
#include "peer/start_trace.h"
#include "registry_proxy/source.h"

namespace samara::registry_proxy {

/// What the site's nodes have seen images read while they start: one merged trace an image and platform, which its
/// chainID names. The routes of peer/start_trace.h.
///
/// Nodes are let in but not believed: a report counts only when its layers make the chainID, all were converted here,
/// and it names chunks that they have. It tells nobody more than which parts of a known image are read first, so
/// whoever knows the chainID may ask.
/// Threads: any.
class StartTraces {
 public:
  static std::vector<std::string> tables();
  static bool is_ours(std::string_view path) { return path.starts_with(peer::kTracesPath); }
  /// Borrowed. `parent`: asked for what isn't known here; null: nobody is.
  explicit StartTraces(cache_index::Cache& cache, peer::SiteClient* parent = nullptr) : cache_(cache), parent_(parent) {}

  /// Answers a request whose path is_ours().
  Source handle(const http::Request& request, http::ResponseWriter& out);

  /// NotFound, DataLoss (a row that is none).
  absl::StatusOr<peer::StartTrace> find(const Digest& chain) const;
  /// InvalidArgument (no start of that image), FailedPrecondition (layers that aren't converted here), ResourceExhausted
  /// (traces of 10,000 images are kept), store errors.
  absl::Status add(const Digest& chain, const peer::StartTrace& start);

 private:
  absl::Status check_layers(const peer::StartTrace& start);
  void look_for_new_layers();
  absl::Status check_room(const Digest& chain);

  cache_index::Cache& cache_;
  peer::SiteClient* const parent_;
  std::mutex mutex_;  // guards what follows, and makes a merge one step
  std::map<Digest, std::uint32_t> chunk_counts_;  // by diffID, of every converted layer that was looked at
  std::set<Digest> seen_;                         // their indexes
};

}  // namespace samara::registry_proxy
