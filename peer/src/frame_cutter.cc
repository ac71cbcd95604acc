#include "frame_cutter.h"

#include <algorithm>
#include <utility>

#include "base/file.h"

namespace samara::peer {

FrameCutter::FrameCutter(std::vector<std::uint32_t> sizes, OnFrame on_frame)
    : sizes_(std::move(sizes)), on_frame_(std::move(on_frame)) {}

absl::Status FrameCutter::add(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    if (next_ == sizes_.size()) return absl::DataLossError("more bytes than were asked for");
    const std::size_t size = sizes_[next_];
    if (partial_.empty() && bytes.size() >= size) {  // nothing to gather
      on_frame_(next_++, bytes.first(size));
      bytes = bytes.subspan(size);
      continue;
    }
    partial_.reserve(size);
    const std::size_t taken = std::min(bytes.size(), size - partial_.size());
    partial_.append(as_text(bytes.first(taken)));
    bytes = bytes.subspan(taken);
    if (partial_.size() < size) break;
    on_frame_(next_++, as_bytes(partial_));
    partial_.clear();
  }
  return absl::OkStatus();
}

}  // namespace samara::peer
