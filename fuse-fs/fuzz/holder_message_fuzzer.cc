// Any bytes as a message to the holder, or as its greeting: never more than the protocol allows comes of it.
#include <cstdlib>

#include "base/file.h"
#include "holder_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samara::fuse_fs;
  using Verb = HolderRequest::Verb;
  const std::string_view text = samara::as_text({data, size});
  const HolderRequest request = parse_holder_request(text);
  const bool names = request.verb == Verb::kKeep || request.verb == Verb::kForget;
  if (names == request.name.empty() || request.name.size() > size) std::abort();
  if (request.abort_after && (request.verb != Verb::kHello || request.abort_after->count() <= 0)) std::abort();
  if (const auto count = parse_welcome(text); count && *count > kMostHeld) std::abort();
  return 0;
}
