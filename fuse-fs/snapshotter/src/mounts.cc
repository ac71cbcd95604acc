#include "snapshotter/mounts.h"

#include <unistd.h>

#include "absl/strings/str_join.h"
#include "base/text.h"

namespace samara::snapshotter {
namespace {

Mount bind(const std::string& source, const char* access) { return {"bind", source, {access, "rbind"}}; }

}  // namespace

std::vector<Mount> make_mounts(const MountPlan& plan, bool index_off) {
  const bool is_view = plan.kind == Kind::kView;
  if (plan.lower.empty()) return {bind(plan.upper, is_view ? "ro" : "rw")};
  if (is_view && plan.lower.size() == 1) return {bind(plan.lower.front(), "ro")};
  Mount overlay{"overlay", "overlay", {}};
  if (index_off) overlay.options.push_back("index=off");
  if (!is_view && plan.ids) {
    overlay.options.push_back(str_cat("uidmap=", plan.ids->uids));
    overlay.options.push_back(str_cat("gidmap=", plan.ids->gids));
  }
  if (!is_view) {
    overlay.options.push_back(str_cat("workdir=", plan.work));
    overlay.options.push_back(str_cat("upperdir=", plan.upper));
  }
  overlay.options.push_back(str_cat("lowerdir=", absl::StrJoin(plan.lower, ":")));
  return {overlay};
}

bool overlay_has_index() { return ::access("/sys/module/overlay/parameters/index", F_OK) == 0; }

}  // namespace samara::snapshotter
