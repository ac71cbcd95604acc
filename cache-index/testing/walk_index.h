#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "cache_index/index_reader.h"

namespace samara::cache_index {

/// Asks an index of any bytes for everything that it can be asked for, at most `max_steps` answers, and replays its tar
/// from chunks of zeros. Answers may be errors; what is tested is that nothing crashes, hangs or allocates without
/// bound. Returns how many answers were not errors.
std::size_t walk_index(const IndexReader& index, std::size_t max_steps);

/// `index` with the header's checksum made right, so that damage gets past it.
void seal_header(std::string& index);

}  // namespace samara::cache_index
