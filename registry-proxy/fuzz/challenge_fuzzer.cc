// Any bytes as a WWW-Authenticate value and as the names in a request.
#include <cstdint>
#include <cstdlib>

#include "base/file.h"
#include "registry_proxy/challenge.h"
#include "registry_proxy/names.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samara;
  using namespace samara::registry_proxy;
  const std::string_view bytes = as_text({data, size});
  for (const Challenge& challenge : parse_challenges(bytes))
    if (challenge.scheme.empty()) std::abort();
  const auto repository = make_repository("docker.io", bytes);
  if (repository.ok() && !is_repository_name(repository->name)) std::abort();
  const auto elsewhere = make_repository(bytes, "app");
  if (elsewhere.ok() && !is_registry_name(elsewhere->registry)) std::abort();
  const auto reference = parse_reference(bytes);
  if (reference.ok() && reference->to_string() != bytes) std::abort();
  return 0;
}
