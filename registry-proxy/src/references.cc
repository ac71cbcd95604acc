#include "registry_proxy/references.h"

#include "base/status.h"
#include "base/text.h"

namespace samara::registry_proxy {
namespace {

constexpr std::string_view kTable = "references";

// No name has a space; Digest::key() is binary and comes last.
std::string named_key(const Repository& repository, const Digest& digest) {
  return str_cat("n ", repository.to_string(), " ", digest.key());
}
std::string given_key(const std::string& registry, const Digest& digest) {
  return str_cat("g ", registry, " ", digest.key());
}

cache_index::Store::Change row(std::string key) { return {std::string(kTable), std::move(key), ""}; }

}  // namespace

std::vector<std::string> References::tables() { return {std::string(kTable)}; }

absl::Status References::note_given(const Repository& repository, const Digest& digest) {
  if (reachable(repository, digest)) return absl::OkStatus();
  return store_.write({row(named_key(repository, digest)), row(given_key(repository.registry, digest))});
}

absl::Status References::note_manifest(const Repository& repository, const Digest& digest, const Manifest& manifest) {
  std::vector<cache_index::Store::Change> rows = {row(named_key(repository, digest)),
                                                  row(given_key(repository.registry, digest))};
  if (manifest.kind == Manifest::Kind::kImage) {
    rows.push_back(row(named_key(repository, manifest.config.digest)));
    for (const Descriptor& layer : manifest.layers) rows.push_back(row(named_key(repository, layer.digest)));
  }
  return store_.write(rows);
}

absl::StatusOr<std::map<Digest, std::string>> References::repositories_of(const std::set<Digest>& digests) const {
  constexpr std::string_view kNamed = "n ";
  std::map<Digest, std::string> found;
  if (digests.empty()) return found;
  SAMARA_RETURN_IF_ERROR(store_.scan(kTable, kNamed, [&](std::string_view key, std::string_view) {
    key.remove_prefix(kNamed.size());
    const std::size_t space = key.find(' ');
    const auto digest = space == key.npos ? absl::DataLossError("no row of ours") : Digest::from_key(key.substr(space + 1));
    if (digest.ok() && digests.contains(*digest)) found.emplace(*digest, key.substr(0, space));
    return true;
  }));
  return found;
}

bool References::reachable(const Repository& repository, const Digest& digest) const {
  return has(named_key(repository, digest)) && has(given_key(repository.registry, digest));
}

bool References::has(const std::string& key) const { return store_.get(kTable, key).ok(); }

}  // namespace samara::registry_proxy
