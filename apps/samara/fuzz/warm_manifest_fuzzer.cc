#include <cstdint>

#include "base/file.h"
#include "warm_manifest.h"

/// Any bytes are an error or a list of images.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = samara::as_text({data, size});
  (void)samara::cli::parse_batch(text, "fuzz");
  (void)samara::cli::parse_kubernetes(text, "fuzz");
  return 0;
}
