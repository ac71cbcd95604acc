#include "peer/site_protocol.h"

#include <algorithm>

#include "base/status.h"
#include "base/text.h"
#include "protocol_lines.h"

namespace samara::peer {
namespace {

using State = LayerStatus::State;

constexpr std::size_t kMaxTextBytes = 64u << 10;
constexpr std::pair<State, std::string_view> kStates[] = {{State::kConverted, "converted"},
                                                          {State::kConverting, "converting"},
                                                          {State::kFailed, "failed"},
                                                          {State::kUnknown, "unknown"}};

absl::Status decode_record(const ProtocolLines& lines, cache_index::LayerRecord& record) {
  SAMARA_RETURN_IF_ERROR(lines.digest("layer", record.layer));
  SAMARA_RETURN_IF_ERROR(lines.digest("index", record.index));
  SAMARA_RETURN_IF_ERROR(lines.digest("blob", record.blob));
  SAMARA_RETURN_IF_ERROR(lines.number("index_size", record.index_size));
  SAMARA_RETURN_IF_ERROR(lines.number("blob_size", record.blob_size));
  SAMARA_RETURN_IF_ERROR(lines.number("layer_size", record.layer_size));
  if (record.index_size <= kMaxIndexBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(str_cat("layer status with an index of ", record.index_size, " bytes"));
}

}  // namespace

std::string encode(const LayerStatus& status) {
  const auto* state = std::find_if(std::begin(kStates), std::end(kStates),
                                   [&](const auto& entry) { return entry.first == status.state; });
  std::string text = str_cat("state ", state->second, "\n");
  if (status.state == State::kConverted) {
    const cache_index::LayerRecord& record = status.record;
    str_append(&text, "layer ", record.layer.to_string(), "\nindex ", record.index.to_string(), "\nblob ",
               record.blob.to_string(), "\nindex_size ", record.index_size, "\nblob_size ", record.blob_size,
               "\nlayer_size ", record.layer_size, "\n");
  } else if (status.state == State::kConverting) {
    str_append(&text, "bytes_done ", status.bytes_done, "\nbytes_total ", status.bytes_total, "\n");
  } else if (status.state == State::kFailed) {
    str_append(&text, "error ", one_line(status.error), "\n");
  }
  return text;
}

absl::StatusOr<LayerStatus> decode_layer_status(std::string_view text) {
  if (text.size() > kMaxTextBytes) return absl::InvalidArgumentError("layer status too long");
  const ProtocolLines lines(text);
  const auto* state = std::find_if(std::begin(kStates), std::end(kStates),
                                   [&](const auto& entry) { return entry.second == lines.text("state"); });
  if (state == std::end(kStates)) return absl::InvalidArgumentError("layer status without a known state");
  LayerStatus status;
  status.state = state->first;
  if (status.state == State::kConverted) SAMARA_RETURN_IF_ERROR(decode_record(lines, status.record));
  if (status.state == State::kConverting) {
    SAMARA_RETURN_IF_ERROR(lines.number("bytes_done", status.bytes_done));
    SAMARA_RETURN_IF_ERROR(lines.number("bytes_total", status.bytes_total));
  }
  if (status.state == State::kFailed) status.error = one_line(lines.text("error"));
  return status;
}

}  // namespace samara::peer
