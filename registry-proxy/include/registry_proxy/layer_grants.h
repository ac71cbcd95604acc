#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "cache_index/store.h"

namespace samara::registry_proxy {

/// Which nodes were told of which converted layers: those may have the layers' blobs from other nodes of the site too.
///
/// A site tells a layer's status only to a node that may read its repository (Entitlements), and notes it here; the
/// swarm's tickets and the lists of neighbours ask. So a blob's digest alone lets nobody in.
/// Rows: docs/rows.md. A grant holds for `lifetime` since the node asked last.
/// Threads: any.
class LayerGrants {
 public:
  static std::vector<std::string> tables();
  /// Borrowed; `store` has tables(). Drops what has run out.
  LayerGrants(cache_index::Store& store, const Clock& clock, std::chrono::hours lifetime = std::chrono::hours(24 * 31));

  /// `node`: as node_of() knows it.
  void note(const std::string& node, const Digest& blob);
  bool may_have(const std::string& node, const Digest& blob) const;

 private:
  std::int64_t now() const;
  bool holds(const std::string& row) const;
  void drop_old();

  cache_index::Store& store_;
  const Clock& clock_;
  const std::chrono::milliseconds lifetime_;
};

}  // namespace samara::registry_proxy
