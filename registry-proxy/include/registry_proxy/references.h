#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/digest.h"
#include "cache_index/store.h"
#include "registry_proxy/manifest.h"
#include "registry_proxy/names.h"

namespace samara::registry_proxy {

/// What can be reached through which repository: the cache keeps bytes by digest alone, and whoever may read one
/// repository must not get those of another by their digests.
///
/// A digest is reachable through a repository when its registry has given it there, or has said that it has it there;
/// or when a manifest that the registry gave there names it, and the registry has given it in any of its repositories:
/// what another registry's manifest names proves nothing. docs/entitlement.md says what that leaves open. Rows: docs/rows.md.
/// Threads: any.
class References {
 public:
  static std::vector<std::string> tables();
  /// `store` is borrowed and has tables().
  explicit References(cache_index::Store& store) : store_(store) {}

  /// The registry has given the digest, or has said that it has it, in this repository.
  absl::Status note_given(const Repository& repository, const Digest& digest);
  /// A manifest that the registry has given in this repository names these.
  absl::Status note_manifest(const Repository& repository, const Digest& digest, const Manifest& manifest);

  /// In which repository each of these is reachable; the first of several. Scans all rows.
  absl::StatusOr<std::map<Digest, std::string>> repositories_of(const std::set<Digest>& digests) const;

  bool reachable(const Repository& repository, const Digest& digest) const;

 private:
  bool has(const std::string& key) const;

  cache_index::Store& store_;
};

}  // namespace samara::registry_proxy
