#include "registry_proxy/entitlements.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/numbers.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "outage.h"
#include "outages.h"
#include "single_flight.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr std::string_view kTable = "entitlements";
constexpr std::string_view kSaltKey = "salt";
constexpr std::size_t kSaltBytes = 32, kMostRefusals = 4096;
constexpr milliseconds kPauseAfterOutage{5'000};
constexpr std::chrono::seconds kRefusalHolds{10};  // so that a client's retries don't get its account locked
constexpr milliseconds kPrivateHolds{60'000};  // a registry's slip must not shut out everybody for long

std::string load_salt(cache_index::Store& store) {
  if (const auto salt = store.get(kTable, kSaltKey); salt.ok() && salt->size() == kSaltBytes) return *salt;
  std::string salt(kSaltBytes, '\0');
  while (::getrandom(salt.data(), salt.size(), 0) != static_cast<ssize_t>(salt.size())) {  // interrupted at boot
  }
  const absl::Status kept = store.write({{std::string(kTable), std::string(kSaltKey), salt}});
  if (!kept.ok()) log::warning("the salt of entitlements can't be kept", {{"error", kept}});
  return salt;
}

absl::Status not_for_everybody() { return absl::UnauthenticatedError("the repository is not for everybody"); }

bool is_refusal(const absl::Status& status) {
  return absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status);
}

}  // namespace

class Entitlements::Flights : public SingleFlight<Entitlements::Answer> {};

std::vector<std::string> Entitlements::tables() { return {std::string(kTable)}; }

bool is_for_anybody(const http::Request& request) { return request.headers.get(kAsHeader) == "anybody"; }

std::string node_of(const http::Request& request) {
  if (request.identity && !request.identity->common_name.empty()) return str_cat("cert ", request.identity->common_name);
  return request.peer.substr(0, request.peer.rfind(':'));
}

Entitlements::Entitlements(cache_index::Store& store, Upstreams& upstreams, const Clock& clock)
    : store_(store),
      upstreams_(upstreams),
      clock_(clock),
      salt_(load_salt(store)),
      outages_(std::make_unique<Outages>(clock, kPauseAfterOutage)),
      flights_(std::make_unique<Flights>()) {}
Entitlements::~Entitlements() = default;

absl::StatusOr<Identity> Entitlements::admit(const Question& question) {
  SAMARA_ASSIGN_OR_RETURN(const Upstream* const upstream, upstreams_.find(question.repository.registry));
  const UpstreamConfig& config = upstream->config();
  const Identity site = upstream->has_own_name() ? Identity() : Identity::anonymous();  // which shares its tokens
  if (config.share == Share::kUnchecked) return site;
  // Whom the operator names needs no word of the registry's, which may be away.
  if (!question.for_anybody && config.has_reader(question.name, question.repository.name))
    return upstream->has_own_name() ? Identity() : question.client.value_or(Identity::anonymous());

  const Answer anybody = may_read(question, config, Identity::anonymous());
  if (anybody.verdict == Verdict::kYes) return site;
  Answer best = anybody;
  if (upstream->has_own_name() && config.share == Share::kEveryone && !question.for_anybody) {
    const Answer shared = may_read(question, config, site);
    if (shared.verdict == Verdict::kYes) return site;
    if (shared.verdict != Verdict::kNo) best = shared;
  }
  if (question.client) {
    const Answer own = may_read(question, config, *question.client);
    if (own.verdict == Verdict::kYes) return *question.client;
    best = own;
  } else if (is_admitted_node(question, config)) {
    return site;
  }
  if (best.verdict != Verdict::kNo) return best.status;
  if (!question.client) return absl::UnauthenticatedError(str_cat(question.repository.to_string(), " is not for everybody"));
  return best.status;
}

bool Entitlements::may_list(const Repository& repository, const std::optional<Identity>& client,
                            std::string_view name) const {
  const auto upstream = upstreams_.find(repository.registry);
  if (!upstream.ok()) return false;
  const UpstreamConfig& config = (*upstream)->config();
  if (config.share == Share::kUnchecked || config.has_reader(name, repository.name)) return true;
  const auto may = [&](const Identity& as) { return may_read_from_memory(repository, config, as); };
  return may(Identity::anonymous()) || (config.share == Share::kEveryone && may({})) || (client && may(*client));
}

bool Entitlements::may_read_from_memory(const Repository& repository, const UpstreamConfig& config,
                                        const Identity& as) const {
  const auto row = load(key_of(repository, as));
  return row && from_memory(config, as, row, absl::OkStatus()).verdict == Verdict::kYes;
}

// Answers from memory while that is fresh, else asks the registry, and again from memory when that can't be.
Entitlements::Answer Entitlements::may_read(const Question& question, const UpstreamConfig& config, const Identity& as) {
  const std::string key = key_of(question.repository, as);
  const std::optional<Row> row = load(key);
  if (row && younger(row->since, row->yes ? config.grant_ttl : std::min(config.grant_ttl, kPrivateHolds)))
    return row->yes ? Answer{Verdict::kYes, {}} : Answer{Verdict::kNo, not_for_everybody()};
  if (refused_lately(key)) return {Verdict::kNo, absl::UnauthenticatedError("the registry refused this credential just now")};
  // What memory can answer anyway needn't wait for a registry that is away.
  const Answer remembered = from_memory(config, as, row, absl::UnavailableError("the registry was away just now"));
  const std::string& registry = question.repository.registry;
  if (remembered.verdict == Verdict::kYes && !outages_->may_ask(registry)) return remembered;

  const std::string flight = str_cat(key, " ", static_cast<int>(question.kind), " ", question.reference);
  const Answer answer = flights_->run(flight, [&] {
    const Answer now = ask(question, as, remembered.verdict == Verdict::kYes);
    if (now.verdict == Verdict::kNo && as.kind() == Identity::Kind::kSite)
      log::warning("a registry refuses the credential configured for it",
                   {{"repository", question.repository.to_string()}, {"error", now.status}});
    remember(key, as, now.verdict);
    return now;
  });
  if (remembered.verdict == Verdict::kYes) outages_->done(registry, answer.verdict == Verdict::kAway);
  if (answer.verdict == Verdict::kAway) return from_memory(config, as, row, answer.status);
  // That this tag isn't there says nothing of the repository; whoever asks for it will be told.
  if (answer.verdict == Verdict::kAbsent && row && remembered.verdict == Verdict::kYes) return remembered;
  return answer;
}

void Entitlements::remember(const std::string& key, const Identity& as, Verdict verdict) {
  if (verdict == Verdict::kYes) return store(key, true);
  if (verdict != Verdict::kNo) return;
  if (as.kind() == Identity::Kind::kAnonymous) return store(key, false);
  remember_refusal(key);
  forget(key);
}

Entitlements::Answer Entitlements::from_memory(const UpstreamConfig& config, const Identity& as,
                                               const std::optional<Row>& row, const absl::Status& failure) const {
  const Answer away{Verdict::kAway, failure}, yes{Verdict::kYes, {}};
  if (row && !row->yes) return {Verdict::kNo, not_for_everybody()};
  switch (config.when_away) {
    case WhenAway::kRefuse: return away;
    case WhenAway::kServe: return as.kind() == Identity::Kind::kAnonymous || row ? yes : away;
    case WhenAway::kServeGranted: break;
  }
  if (!row) return away;
  const bool anybody = as.kind() == Identity::Kind::kAnonymous;  // what was public yesterday is no secret today
  return anybody || younger(row->since, config.grant_ttl + config.grant_stale) ? yes : away;
}

Entitlements::Answer Entitlements::ask(const Question& question, const Identity& as, bool something_is_known) {
  const absl::Status status = probe(question, as, something_is_known);
  if (status.ok()) return {Verdict::kYes, {}};
  if (is_refusal(status)) return {Verdict::kNo, status};
  return {is_outage(status) ? Verdict::kAway : Verdict::kAbsent, status};
}

absl::Status Entitlements::probe(const Question& question, const Identity& as, bool something_is_known) {
  SAMARA_ASSIGN_OR_RETURN(Upstream* const upstream, upstreams_.find(question.repository.registry));
  Upstream::Request request;
  request.kind = question.kind;
  request.repository = question.repository.name;
  request.reference = question.reference;
  if (question.kind == Upstream::Request::Kind::kTags) request.query = "n=1";
  request.as = as;
  if (something_is_known) request.patience = upstream->config().patience;
  return upstream->ask_whether(request);
}

void Entitlements::note_node(const std::string& node, const Repository& repository) {
  if (!node.empty()) store(str_cat("n ", repository.to_string(), " ", node), true);
}

void Entitlements::note_public(const Repository& repository) { store(key_of(repository, Identity::anonymous()), true); }

bool Entitlements::is_admitted_node(const Question& question, const UpstreamConfig& config) const {
  if (question.node.empty()) return false;
  const auto row = load(str_cat("n ", question.repository.to_string(), " ", question.node));
  return row && younger(row->since, config.grant_ttl + config.grant_stale);
}

// A clock that went back makes a row old.
bool Entitlements::younger(Time since, milliseconds limit) const {
  const auto age = clock_.wall_now() - since;
  return age >= milliseconds(0) && age < limit;
}

std::string Entitlements::key_of(const Repository& repository, const Identity& as) const {
  if (as.kind() == Identity::Kind::kAnonymous) return str_cat("p ", repository.to_string());
  const std::string text = str_cat(salt_, as.key(), " ", repository.to_string());
  return str_cat("g ", cache_index::sha256(as_bytes(text)).hex());
}

std::optional<Entitlements::Row> Entitlements::load(const std::string& key) const {
  const auto row = store_.get(kTable, key);
  if (!row.ok() || row->size() < 3) return std::nullopt;
  std::int64_t since = 0;
  if (!absl::SimpleAtoi(row->substr(2), &since)) return std::nullopt;
  return Row{row->starts_with("y "), Time(milliseconds(since))};
}

void Entitlements::store(const std::string& key, bool yes) {
  const auto now = duration_cast<milliseconds>(clock_.wall_now().time_since_epoch()).count();
  const absl::Status status = store_.write({{std::string(kTable), key, str_cat(yes ? "y " : "n ", now)}});
  if (!status.ok()) log::warning("an entitlement can't be remembered", {{"error", status}});  // asked again
}

void Entitlements::forget(const std::string& key) {
  const absl::Status status = store_.write({{std::string(kTable), key, std::nullopt}});
  if (!status.ok()) log::error("an entitlement can't be forgotten", {{"error", status}});
}

bool Entitlements::refused_lately(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto it = refused_.find(key);
  return it != refused_.end() && clock_.now() < it->second;
}

void Entitlements::remember_refusal(const std::string& key) {
  const std::lock_guard lock(mutex_);
  if (refused_.size() >= kMostRefusals) refused_.clear();
  refused_[key] = clock_.now() + kRefusalHolds;
}

}  // namespace samara::registry_proxy
