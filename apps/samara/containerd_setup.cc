#include "containerd_setup.h"

#include "base/status.h"
#include "base/text.h"
#include "containerd_config.h"
#include "toml_text.h"

namespace samara::cli {
namespace {

constexpr const char* kName = "samara";
constexpr const char* kCri = "io.containerd.grpc.v1.cri";
constexpr const char* kImages = "io.containerd.cri.v1.images";

void set_proxy(TomlText& toml, const NodeSetup& setup, bool is_two) {
  const std::vector<std::string> proxy = {"proxy_plugins", kName};
  toml.set(proxy, "address", toml_string(setup.address));
  toml.set(proxy, "type", "\"snapshot\"");
  if (!is_two) return;
  if (setup.id_mapped_mounts) toml.set(proxy, "capabilities", "[\"remap-ids\"]");
  const std::vector<std::string> exports = {"proxy_plugins", kName, "exports"};
  toml.set(exports, "root", toml_string(setup.root));
  toml.set(exports, "enable_remote_snapshot_annotations", "\"true\"");
}

absl::Status check(std::string_view text, const NodeSetup& setup, bool is_two) {
  const absl::StatusOr<ContainerdConfig> after = parse_containerd_config(text, "the new configuration");
  const auto proxy = after.ok() ? after->proxies.find(kName) : decltype(after->proxies.end())();
  const bool took = after.ok() && after->snapshotter == kName && after->disable_snapshot_annotations == false &&
                    proxy != after->proxies.end() && proxy->second.address == setup.address &&
                    proxy->second.type == "snapshot" && (!is_two || proxy->second.root == setup.root);
  if (took) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "the configuration says these things in a form that can't be edited line by line (dotted keys or inline tables); "
      "deploy/containerd/README.md has what to add by hand");
}

}  // namespace

absl::StatusOr<std::string> set_up_containerd(std::string_view text, const NodeSetup& setup) {
  SAMARA_ASSIGN_OR_RETURN(const ContainerdConfig before, parse_containerd_config(text, "containerd's configuration"));
  const bool is_empty = text.find_first_not_of(" \t\r\n") == std::string_view::npos;
  if (is_empty && setup.layout == 0) {
    return absl::InvalidArgumentError("there is no configuration yet: --containerd says for which version to write one");
  }
  if (!is_empty && before.version < 2) {
    return absl::FailedPreconditionError("the configuration has layout 1: `containerd config migrate` brings it to a newer one");
  }
  const bool is_two = is_empty ? setup.layout >= 3 : before.is_two();
  TomlText toml(is_empty ? str_cat("version = ", is_two ? 3 : 2, "\n") : std::string(text));
  const std::vector<std::string> images =
      is_two ? std::vector<std::string>{"plugins", kImages} : std::vector<std::string>{"plugins", kCri, "containerd"};
  toml.set(images, "disable_snapshot_annotations", "false");
  toml.set(images, "snapshotter", toml_string(kName));
  // containerd refuses config_path beside the old tables.
  if (before.config_path.value_or("").empty() && !before.registry_mirrors && !before.registry_configs) {
    toml.set({"plugins", is_two ? kImages : kCri, "registry"}, "config_path", toml_string(setup.certs_d));
  }
  set_proxy(toml, setup, is_two);
  std::string after = toml.text();
  SAMARA_RETURN_IF_ERROR(check(after, setup, is_two));
  return after;
}

}  // namespace samara::cli
