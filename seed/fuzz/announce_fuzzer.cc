// Any query as an announce, by a tracker that knows one swarm: no crash, and an answer of bounded size.
#include <cstdlib>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "seed/tracker.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samara;
  static const SystemClock clock;
  static seed::Tracker tracker(clock, {.max_peers = 8});
  const auto target = http::parse_target(str_cat("/announce?", as_text({data, size})));
  if (!target) return 0;
  const auto announce = seed::parse_announce(*target, "10.0.0.1");
  if (!announce.ok()) return 0;
  tracker.open(std::string(20, 'a'));
  const auto answer = tracker.announce(*announce);
  if (answer.ok() && answer->size() > 512) std::abort();
  return 0;
}
