// Any bytes as a docker config, as what a credential helper prints, as a client's Authorization and as a Retry-After.
#include <cstdint>
#include <cstdlib>

#include "base/file.h"
#include "docker_config.h"
#include "registry_proxy/identity.h"
#include "retry_after.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samara;
  using namespace samara::registry_proxy;
  const std::string_view bytes = as_text({data, size});
  for (const char* registry : {"docker.io", "a.test"}) {
    const auto found = find_docker_credential(bytes, registry);
    if (!found.ok()) continue;
    if (found->entry && found->entry->username.empty() && found->entry->identity_token.empty()) std::abort();
    if (found->helper.find('/') != std::string::npos) std::abort();
  }
  if (const auto answer = parse_helper_answer(bytes); answer.ok()) (void)answer->basic();
  if (const auto client = Identity::of_client(bytes)) {
    const auto again = Identity::of_client(client->authorization());
    if (!again || again->key() != client->key()) std::abort();
  }
  const auto wait = parse_retry_after(bytes, std::chrono::system_clock::from_time_t(784111740));
  if (wait && wait->count() < 0) std::abort();
  return 0;
}
