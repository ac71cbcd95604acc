#include "registry_proxy/layer_grants.h"

#include "absl/strings/numbers.h"
#include "base/log.h"
#include "base/text.h"

namespace samara::registry_proxy {
namespace {

constexpr std::string_view kTable = "layer_grants";
/// A row that is younger isn't written again.
constexpr std::chrono::milliseconds kFresh = std::chrono::hours(12);
constexpr std::size_t kMostDropped = 100'000;  // at one start

std::string key_of(const std::string& node, const Digest& blob) { return str_cat(blob.key(), " ", node); }

}  // namespace

std::vector<std::string> LayerGrants::tables() { return {std::string(kTable)}; }

LayerGrants::LayerGrants(cache_index::Store& store, const Clock& clock, std::chrono::hours lifetime)
    : store_(store), clock_(clock), lifetime_(lifetime) {
  drop_old();
}

std::int64_t LayerGrants::now() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock_.wall_now().time_since_epoch()).count();
}

bool LayerGrants::holds(const std::string& row) const {
  std::int64_t since = 0;
  return absl::SimpleAtoi(row, &since) && since <= now() && now() - since < lifetime_.count();
}

void LayerGrants::note(const std::string& node, const Digest& blob) {
  if (node.empty()) return;
  const std::string key = key_of(node, blob);
  std::int64_t since = 0;
  const auto row = store_.get(kTable, key);
  if (row.ok() && absl::SimpleAtoi(*row, &since) && since <= now() && now() - since < kFresh.count()) return;
  const absl::Status written = store_.write({{std::string(kTable), key, str_cat(now())}});
  if (!written.ok()) log::warning("that a node may have a layer can't be remembered", {{"error", written}});
}

bool LayerGrants::may_have(const std::string& node, const Digest& blob) const {
  const auto row = store_.get(kTable, key_of(node, blob));
  return row.ok() && holds(*row);
}

void LayerGrants::drop_old() {
  std::vector<cache_index::Store::Change> old;
  const absl::Status read = store_.scan(kTable, "", [&](std::string_view key, std::string_view row) {
    if (!holds(std::string(row))) old.push_back({std::string(kTable), std::string(key), std::nullopt});
    return old.size() < kMostDropped;
  });
  const absl::Status dropped = old.empty() ? absl::OkStatus() : store_.write(old);
  if (!read.ok() || !dropped.ok()) log::warning("old grants of layers can't be dropped", {{"error", read.ok() ? dropped : read}});
}

}  // namespace samara::registry_proxy
