// Any bytes as a manifest and as an image config.
#include <cstdint>
#include <cstdlib>

#include "base/file.h"
#include "registry_proxy/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samara;
  using namespace samara::registry_proxy;
  const std::string_view bytes = as_text({data, size});
  const std::size_t line = bytes.find('\n');  // the first line is the Content-Type
  const std::string_view type = line == std::string_view::npos ? "" : bytes.substr(0, line);
  const std::string_view body = line == std::string_view::npos ? bytes : bytes.substr(line + 1);
  const auto manifest = parse_manifest(body, type);
  if (manifest.ok() && manifest->kind != Manifest::Kind::kOther &&
      accepted_manifest_types().find(manifest->media_type) == std::string_view::npos)
    std::abort();
  if (manifest.ok() && manifest->kind == Manifest::Kind::kIndex && !manifest->layers.empty()) std::abort();
  const auto diff_ids = parse_diff_ids(body, 1);
  if (diff_ids.ok() && diff_ids->size() != 1) std::abort();
  return 0;
}
