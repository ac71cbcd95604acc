#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "cache_index/index_reader.h"

namespace samara::snapshotter {

/// One path of each of these inodes that the layer has, beginning with "/". The root has none.
std::map<std::uint32_t, std::string> paths_of(const cache_index::IndexReader& layer, const std::set<std::uint32_t>& inodes);

}  // namespace samara::snapshotter
