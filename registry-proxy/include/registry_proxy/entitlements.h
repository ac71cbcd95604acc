#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/http/server.h"
#include "cache_index/store.h"
#include "registry_proxy/identity.h"
#include "registry_proxy/names.h"
#include "registry_proxy/upstream.h"

namespace samara::registry_proxy {

class Outages;

/// By what a node is known: the name in its certificate, else its address.
std::string node_of(const http::Request& request);

/// Does another site ask on behalf of somebody who isn't this site's client (kAsHeader)?
bool is_for_anybody(const http::Request& request);

/// Who may read which repository.
///
/// What anybody may read at the registry, anybody may read here. What only the site's own credential may read, those
/// may whom the upstream's `share` names. Everything else is for clients whose own credential the registry has accepted
/// for that repository, or that the upstream's `readers` names. Each of these is asked of the registry once and believed for `grant_ttl`; what holds while the
/// registry can't be asked says `when_away`. docs/entitlement.md is the whole policy, with what it doesn't protect from.
/// Rows (docs/rows.md) hold no credential: grants are under a salted hash.
/// Threads: any; one question to the registry for all who want the same answer at the same time.
class Entitlements {
 public:
  static std::vector<std::string> tables();
  /// Everything is borrowed; `store` has tables(). A salt that can't be kept only means that all is asked anew after a
  /// restart.
  Entitlements(cache_index::Store& store, Upstreams& upstreams, const Clock& clock);
  ~Entitlements();

  /// What somebody wants to read; `kind` and `reference` are what the registry is asked for where it must be asked.
  struct Question {
    const Repository& repository;
    Upstream::Request::Kind kind;
    std::string reference;
    std::optional<Identity> client{};  ///< what the client has brought
    std::string name{};                ///< by which this site knows the client (Request::client); empty: by none
    std::string node{};                ///< by what note_node() knows it; empty: not a node
    bool for_anybody = false;          ///< another site asks what everybody may have, or `client` by itself (kAsHeader)
  };
  /// On whose behalf upstream is asked for this client, who may read the repository.
  /// Errors: Unauthenticated (a credential would help, or a better one), PermissionDenied (this one never will),
  /// NotFound (the registry has no such thing for it), and those of an upstream that can't be asked.
  absl::StatusOr<Identity> admit(const Question& question);

  /// The operator says that everybody may read the repository; its registry, once it is asked, may say otherwise.
  void note_public(const Repository& repository);

  /// Would admit() say yes from memory? For lists, which ask no registry.
  bool may_list(const Repository& repository, const std::optional<Identity>& client, std::string_view name) const;

  /// `node` has brought the pull of a client that was admitted: it may ask for the repository's layers without that
  /// client's credential, for as long as such a grant could be used.
  void note_node(const std::string& node, const Repository& repository);

 private:
  enum class Verdict { kYes, kNo, kAbsent, kAway };
  struct Answer {
    Verdict verdict = Verdict::kNo;
    absl::Status status;  // of what isn't kYes
  };
  using Time = std::chrono::system_clock::time_point;
  struct Row {
    bool yes = false;
    Time since;
  };
  class Flights;

  Answer may_read(const Question& question, const UpstreamConfig& config, const Identity& as);
  Answer ask(const Question& question, const Identity& as, bool something_is_known);
  Answer from_memory(const UpstreamConfig& config, const Identity& as, const std::optional<Row>& row,
                     const absl::Status& failure) const;
  absl::Status probe(const Question& question, const Identity& as, bool something_is_known);
  bool is_admitted_node(const Question& question, const UpstreamConfig& config) const;
  bool may_read_from_memory(const Repository& repository, const UpstreamConfig& config, const Identity& as) const;
  bool younger(Time since, std::chrono::milliseconds limit) const;

  std::string key_of(const Repository& repository, const Identity& as) const;
  std::optional<Row> load(const std::string& key) const;
  void remember(const std::string& key, const Identity& as, Verdict verdict);
  void store(const std::string& key, bool yes);
  void forget(const std::string& key);
  bool refused_lately(const std::string& key);
  void remember_refusal(const std::string& key);

  cache_index::Store& store_;
  Upstreams& upstreams_;
  const Clock& clock_;
  const std::string salt_;
  const std::unique_ptr<Outages> outages_;
  const std::unique_ptr<Flights> flights_;
  std::mutex mutex_;
  std::map<std::string, std::chrono::steady_clock::time_point> refused_;  // until when
};

}  // namespace samara::registry_proxy
