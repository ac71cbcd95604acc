#include "containerd_config.h"

#include "base/config.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::cli {
namespace {

constexpr std::string_view kCri = "io.containerd.grpc.v1.cri";           // 1.x: all of CRI
constexpr std::string_view kImages = "io.containerd.cri.v1.images";      // 2.x: its images
constexpr std::string_view kTransfer = "io.containerd.transfer.v1.local";

std::optional<bool> flag(Config& table, std::string_view key) {
  return table.has(key) ? std::optional(table.flag(key, false)) : std::nullopt;
}

void read_registry(Config& registry, ContainerdConfig& config) {
  if (registry.has("config_path")) config.config_path = registry.text("config_path");
  config.registry_mirrors = !registry.tables("mirrors").empty();
  config.registry_configs = !registry.tables("configs").empty();
}

void read_image_settings(Config& table, ContainerdConfig& config) {
  config.snapshotter = table.text("snapshotter");
  config.disable_snapshot_annotations = flag(table, "disable_snapshot_annotations");
  config.discard_unpacked_layers = table.flag("discard_unpacked_layers", false);
  config.use_local_image_pull = flag(table, "use_local_image_pull");
}

void read_plugins(Config& plugins, ContainerdConfig& config) {
  Config& cri = plugins.table(kCri);
  Config& images = plugins.table(kImages);
  if (config.is_two()) {
    read_registry(images.table("registry"), config);
    read_image_settings(images, config);
    config.old_sections = cri.has("registry") || cri.has("containerd");
  } else {
    read_registry(cri.table("registry"), config);
    read_image_settings(cri.table("containerd"), config);
    config.new_sections = plugins.has(kImages);
  }
  for (Config* entry : plugins.table(kTransfer).table_list("unpack_config"))
    config.unpack_snapshotters.push_back(entry->text("snapshotter"));
}

void read_proxies(Config& top, ContainerdConfig& config) {
  for (Config* table : top.tables("proxy_plugins")) {
    ContainerdConfig::Proxy& proxy = config.proxies[table->key()];
    proxy.type = table->text("type");
    proxy.address = table->text("address");
    Config& exports = table->table("exports");
    proxy.root = exports.text("root");
    proxy.remote_annotations = exports.text("enable_remote_snapshot_annotations") == "true";
  }
}

}  // namespace

std::string ContainerdConfig::images_section() const { return str_cat("[plugins.\"", is_two() ? kImages : kCri, "\"]"); }
std::string ContainerdConfig::registry_section() const {
  return str_cat("[plugins.\"", is_two() ? kImages : kCri, "\".registry]");
}
std::string ContainerdConfig::snapshotter_section() const {
  return is_two() ? images_section() : str_cat("[plugins.\"", kCri, "\".containerd]");
}

absl::StatusOr<ContainerdConfig> parse_containerd_config(std::string_view text, std::string_view name) {
  SAMARA_ASSIGN_OR_RETURN(Config top, Config::parse(text, name));
  ContainerdConfig config;
  config.version = top.number("version", 1);
  config.imports = top.texts("imports");
  read_plugins(top.table("plugins"), config);
  read_proxies(top, config);
  return config;
}

}  // namespace samara::cli
