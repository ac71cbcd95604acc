#include <cstdio>
#include <string>

#include "commands.h"

namespace samara::cli {

int report(const absl::Status& status) {
  if (status.ok()) return 0;
  std::fprintf(stderr, "samara: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace samara::cli
