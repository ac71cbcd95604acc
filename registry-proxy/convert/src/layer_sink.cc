#include "layer_sink.h"

#include "base/status.h"

namespace samara::convert {

absl::Status LayerSink::framing(std::span<const std::uint8_t> bytes) { return writer_.framing(bytes); }

absl::StatusOr<TarSink::Data> LayerSink::entry(const TarEntry& entry) {
  SAMARA_ASSIGN_OR_RETURN(const std::optional<std::uint32_t> node, tree_.add(entry));
  if (!node || entry.size == 0) return Data::kSkip;
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t offset, writer_.begin_file(entry.size));
  tree_.set_data_offset(*node, offset);
  return Data::kKeep;
}

absl::Status LayerSink::data(std::span<const std::uint8_t> bytes) { return writer_.data(bytes); }

absl::Status LayerSink::hole(std::uint64_t size) {
  SAMARA_RETURN_IF_ERROR(tree_.add_hole(size));
  return writer_.hole(size);
}

}  // namespace samara::convert
