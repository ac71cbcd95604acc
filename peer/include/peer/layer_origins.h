#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "cache_index/cache.h"

namespace samara::peer {

/// Of which layer an index or a blob was made, and which repository has that: what it takes to ask a site for bytes that
/// it never saw. Conversion gives the same on every machine, so any site that can have the layer can have the rest.
///
/// Rows: table "layer_origins", key digest of the index or the blob, value "<layer> <registry> <repository> <size>". Rows
/// of layers that the cache no longer knows go when this is made. A row that can't be read counts as none.
/// Threads: any.
class LayerOrigins {
 public:
  struct Origin {
    Digest layer;
    std::string registry, repository;  ///< "docker.io", "library/python"
    std::uint64_t size = 0;            ///< compressed bytes; 0: not known
  };

  static std::vector<std::string> tables();
  /// Borrowed; opened with tables().
  explicit LayerOrigins(cache_index::Cache& cache);

  /// A site said so. Nothing is kept of a registry or a repository without a name.
  void note(const cache_index::LayerRecord& record, const std::string& registry, const std::string& repository);
  std::optional<Origin> of(const Digest& object) const;

 private:
  void drop_old();

  cache_index::Cache& cache_;
};

}  // namespace samara::peer
