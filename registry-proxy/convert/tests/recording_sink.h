#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "tar_reader.h"

namespace samara::convert {

/// Remembers what a TarReader found.
class RecordingSink : public TarSink {
 public:
  absl::Status framing(std::span<const std::uint8_t> bytes) override {
    all += as_text(bytes);
    framing_bytes += bytes.size();
    return absl::OkStatus();
  }
  absl::StatusOr<Data> entry(const TarEntry& entry) override {
    entries.push_back(entry);
    contents.emplace_back();
    return keep ? Data::kKeep : Data::kSkip;
  }
  absl::Status data(std::span<const std::uint8_t> bytes) override {
    all += as_text(bytes);
    contents.back() += as_text(bytes);
    return absl::OkStatus();
  }
  absl::Status hole(std::uint64_t size) override {
    contents.back().append(size, '\0');
    return absl::OkStatus();
  }

  bool keep = true;
  std::vector<TarEntry> entries;
  std::vector<std::string> contents;  ///< of each entry, holes filled in
  std::string all;                    ///< every byte of the tar, in the order it came
  std::uint64_t framing_bytes = 0;
};

/// Pushes `tar` in pieces of `step` bytes.
inline absl::Status read_tar(std::string_view tar, TarSink& sink, std::size_t step = 1000) {
  TarReader reader(sink);
  while (!tar.empty()) {
    const absl::Status pushed = reader.push(as_bytes(tar.substr(0, step)));
    if (!pushed.ok()) return pushed;
    tar.remove_prefix(std::min(step, tar.size()));
  }
  return reader.finish();
}

}  // namespace samara::convert
