#include "snapshotter/snapshot.h"

namespace samara::snapshotter {

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kView: return "view";
    case Kind::kActive: return "active";
    case Kind::kCommitted: return "committed";
  }
  return "";
}

}  // namespace samara::snapshotter
