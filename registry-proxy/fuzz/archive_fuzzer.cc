#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "absl/status/status.h"
#include "registry_proxy/image_archive.h"

// What comes from a disk that somebody carried: the tar around the files, and the list of images in it. Whatever is taken
// must lie within the tar, and be said again as it was understood.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samara::registry_proxy;
  const auto files = find_tar_files(size, [&](std::uint64_t offset, std::span<std::uint8_t> out) {
    if (offset > size || out.size() > size - offset) std::abort();
    std::copy_n(data + offset, out.size(), out.data());
    return absl::OkStatus();
  });
  if (files.ok())
    for (const auto& [name, place] : *files)
      if (place.offset > size || place.size > size - place.offset) std::abort();
  const auto images = parse_archive({reinterpret_cast<const char*>(data), size});
  if (!images.ok()) return 0;
  const auto again = parse_archive(encode_archive(*images));
  if (!again.ok() || again->size() != images->size() || encode_archive(*again) != encode_archive(*images)) std::abort();
  return 0;
}
