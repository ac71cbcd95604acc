#include <cstdint>
#include <cstdlib>

#include "base/file.h"
#include "peer/neighbour_protocol.h"

/// Any bytes are an error or a list that can be said again; the same for a ticket and for a node's URL.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samara::peer;
  const std::string_view text = samara::as_text({data, size});
  const absl::StatusOr<NeighbourList> list = decode_neighbour_list(text);
  if (list.ok()) {
    const absl::StatusOr<NeighbourList> again = decode_neighbour_list(encode(*list));
    if (!again.ok() || again->urls != list->urls || again->self != list->self) std::abort();
  }
  const absl::Status ticket = check_ticket(text, {std::string(32, 'k')}, samara::Digest(), "10.0.0.1", {});
  if (ticket.ok()) std::abort();
  (void)neighbour_url(text, "10.0.0.1");
  return 0;
}
