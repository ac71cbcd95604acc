// Any bytes as a file of tokens, and as an Authorization value that is looked up in it.
#include <cstdint>
#include <cstdlib>

#include "base/file.h"
#include "token_table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samara;
  const std::string_view text = as_text({data, size});
  const auto table = registry_proxy::TokenTable::parse(text, "tokens");
  const auto secret = registry_proxy::secret_of(text.substr(0, text.find('\n')));
  if (!table.ok()) return 0;
  if (table->size() > size / 18 + 1) std::abort();  // a line has 18 bytes or more
  if (table->find("") != nullptr || table->find("too short") != nullptr) std::abort();
  if (secret) (void)table->find(*secret);
  return 0;
}
