#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"

namespace samara::peer {

/// Bytes of a blob that the same nodes bring into the site.
inline constexpr std::uint64_t kRegionBytes = 1u << 20;

/// How many of `nodes` that want the same blob ask the site for a region of it; the others ask them.
///
/// The site then gives each region that often, and each of those gives it to nodes / that many. For a start that reads
/// about 25 regions the two take equally long when it is sqrt(nodes / 25), and there are never fewer than one.
std::size_t owner_count(std::size_t nodes);

/// `nodes`, those first that are the first to bring the region of `blob` at `offset`.
std::vector<std::string> ranked(const std::vector<std::string>& nodes, const Digest& blob, std::uint64_t offset);

/// Which of `nodes` bring the region of `blob` at `offset`: as many as owner_count() says, the best first. The same on
/// every node that knows the same others, whatever their order; one node more or less moves few regions.
/// Source: Thaler and Ravishankar, "A name-based mapping scheme for rendezvous", 1996.
std::vector<std::string> owners(const std::vector<std::string>& nodes, const Digest& blob, std::uint64_t offset);

/// Those of `owners` in the order in which `asker` tries them: every asker begins with another one.
std::vector<std::string> in_order_for(std::string_view asker, std::vector<std::string> owners, std::uint64_t offset);

}  // namespace samara::peer
