#include "diagnosis.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>

#include "base/file.h"
#include "base/text.h"
#include "containerd_config.h"
#include "hosts_directory.h"

namespace samara::cli {
namespace {

constexpr std::string_view kCertsDirectory = "/etc/containerd/certs.d";
constexpr std::string_view kTwoDefault = "/etc/containerd/certs.d:/etc/docker/certs.d";

bool exists(const std::string& path) {
  std::error_code ignored;  // what can't be looked at isn't there for us
  return std::filesystem::exists(path, ignored);
}

// One look at one configuration, finding after finding.
class Diagnosis {
 public:
  Diagnosis(const Question& question, const Machine& machine) : question_(question), machine_(machine) {}

  std::vector<Finding> run() {
    if (read_config()) {
      check_layout();
      check_registry();
      check_snapshotter();
    }
    for (const std::string& site : question_.sites) check_site(site);
    return std::move(findings_);
  }

 private:
  void check_site(const std::string& site) {
    const absl::Status status = machine_.ask_site(site);
    if (status.ok()) return;
    const std::string why(to_std(status.message()));
    if (absl::IsPermissionDenied(status))
      return wrong("site-refuses", str_cat("the site ", site, " doesn't let us in: ", why),
                   "name the certificate or the token that containerd shows it: --client-cert and --client-key, or "
                   "--token-file; `samara hosts-toml` takes the same and writes them into hosts.toml");
    wrong("site-unreachable", str_cat("the site ", site, " doesn't answer: ", why),
          "start samara-site there, or name the right one with --site");
  }
  void wrong(std::string id, std::string problem, std::string fix) {
    findings_.push_back({std::move(id), true, std::move(problem), std::move(fix)});
  }
  void note(std::string id, std::string problem, std::string fix) {
    findings_.push_back({std::move(id), false, std::move(problem), std::move(fix)});
  }
  static std::string set(const std::string& section, std::string_view line) {
    return str_cat("under ", section, " set ", line, ", then restart containerd");
  }

  bool read_config();
  void check_layout();
  void check_registry();
  void check_old_tables();
  void check_hosts(const HostsDirectory& hosts);
  void check_snapshotter();
  void check_proxy(const ContainerdConfig::Proxy& proxy);
  void check_annotations(const ContainerdConfig::Proxy& proxy);
  void check_kernel();
  bool is_site(const std::string& url) const;

  const Question& question_;
  const Machine& machine_;
  ContainerdConfig config_;
  std::vector<Finding> findings_;
};

bool Diagnosis::read_config() {
  const auto text = read_file(machine_.root + question_.config_file, 4u << 20);
  if (!text.ok()) {
    wrong("config-unreadable", str_cat(question_.config_file, ": ", to_std(text.status().message())),
          "`containerd config default` writes one to begin with; --containerd-config names another");
    return false;
  }
  auto config = parse_containerd_config(*text, question_.config_file);
  if (!config.ok()) {
    wrong("config-broken", std::string(to_std(config.status().message())), "mend what stands there: containerd won't start with it");
    return false;
  }
  config_ = std::move(*config);
  return true;
}

void Diagnosis::check_layout() {
  if (config_.version < 2)
    wrong("config-version", "the configuration has no `version`, so containerd reads it as version 1, in which sections have other names",
          "put `version = 2` at its top (3 for containerd 2.x), and rename its sections");
  if (config_.old_sections)
    wrong("section-of-1.x", "a file of version 3 has [plugins.\"io.containerd.grpc.v1.cri\"] registry or containerd: containerd 2.x doesn't read them there",
          str_cat("move what is in them to ", config_.images_section(), "; `containerd config migrate` does that"));
  if (config_.new_sections)
    wrong("section-of-2.x", "a file of version 2 has [plugins.\"io.containerd.cri.v1.images\"], which only version 3 knows",
          str_cat("move what is in it to ", config_.snapshotter_section(), ", or set version = 3 for containerd 2.x"));
  if (!config_.imports.empty())
    note("imports", "the configuration imports other files, which weren't looked at",
         "look at what they say with `containerd config dump`, and give its output to --containerd-config");
}

void Diagnosis::check_registry() {
  check_old_tables();
  std::string path = config_.config_path.value_or("");
  if (path.empty() && config_.is_two()) {
    note("config-path-implied", str_cat("config_path isn't set: containerd 2.2 and later look in ", kTwoDefault, ", 2.0 and 2.1 nowhere"),
         set(config_.registry_section(), str_cat("config_path = \"", kCertsDirectory, "\"")));
    path = kTwoDefault;
  }
  if (path.empty())
    return wrong("config-path-missing", "config_path isn't set: containerd reads no hosts.toml and pulls past the mirror",
                 set(config_.registry_section(), str_cat("config_path = \"", kCertsDirectory, "\"")));
  check_hosts(read_hosts(path, machine_.root));
}

void Diagnosis::check_old_tables() {
  if (!config_.registry_mirrors && !config_.registry_configs) return;
  const std::string table = config_.registry_mirrors ? "registry.mirrors" : "registry.configs";
  if (!config_.config_path.value_or("").empty() && (config_.registry_mirrors || !config_.is_two()))
    return wrong("old-registry-tables", str_cat(table, " and config_path are both set: containerd refuses to start its CRI plugin with both"),
                 str_cat("take ", table, " away; what it says belongs in hosts.toml files"));
  wrong("old-registry-tables", str_cat(table, " is deprecated, and while it is there containerd 2.1 and later don't pull by hosts.toml"),
        str_cat("take ", table, " away and set config_path; what it says belongs in hosts.toml files"));
}

bool Diagnosis::is_site(const std::string& url) const {
  std::string bare = url;
  while (bare.ends_with('/')) bare.pop_back();
  return std::find(question_.sites.begin(), question_.sites.end(), bare) != question_.sites.end();
}

void Diagnosis::check_hosts(const HostsDirectory& hosts) {
  for (const std::string& failure : hosts.failures)
    wrong("hosts-unreadable", failure, "mend or remove it: containerd ignores what it can't read, and pulls past the mirror");
  std::vector<std::string> used, bypassed;
  for (const HostsEntry& entry : hosts.entries) {
    const auto host = std::find_if(entry.hosts.begin(), entry.hosts.end(), [&](const auto& h) { return is_site(h.url); });
    (host == entry.hosts.end() && !is_site(entry.server) ? bypassed : used).push_back(entry.registry);
    if (host != entry.hosts.end() && !(host->pull && host->resolve))
      wrong("mirror-capabilities", str_cat(entry.path, " doesn't let the mirror ", host->pull ? "resolve: tags are asked elsewhere" : "pull"),
            "give it capabilities = [\"pull\", \"resolve\"]; `samara hosts-toml` writes it so");
  }
  if (used.empty())
    return wrong("mirror-unused", hosts.entries.empty() ? str_cat("there is no hosts.toml below ", hosts.path, ": containerd pulls past the mirror")
                                                       : str_cat("no hosts.toml below ", hosts.path, " names ", question_.sites.front()),
                 str_cat("samara hosts-toml --site ", question_.sites.front(), " --output ", hosts.path.substr(0, hosts.path.find(':'))));
  for (const std::string& registry : bypassed)
    note("mirror-bypassed", str_cat("images of ", registry, " don't come through the mirror: its hosts.toml names others"),
         str_cat("if they should: samara hosts-toml --force --registry ", registry));
}

void Diagnosis::check_snapshotter() {
  constexpr std::array<std::string_view, 7> kBuiltIn{"overlayfs", "native", "btrfs", "zfs", "devmapper", "blockfile", "erofs"};
  const bool built_in = config_.snapshotter.empty() || std::find(kBuiltIn.begin(), kBuiltIn.end(), config_.snapshotter) != kBuiltIn.end();
  const auto proxy = config_.proxies.find(config_.snapshotter);
  if (proxy != config_.proxies.end()) return check_proxy(proxy->second);
  if (!built_in)
    return wrong("snapshotter-unknown", str_cat("the snapshotter \"", config_.snapshotter, "\" has no [proxy_plugins.", config_.snapshotter, "]: pods can't start"),
                 str_cat("add [proxy_plugins.", config_.snapshotter, "] with type = \"snapshot\" and address = \"/run/samara/snapshotter.sock\", then restart containerd"));
  for (const auto& [name, unused] : config_.proxies)
    if (unused.type == "snapshot")
      wrong("snapshotter-unused", str_cat("[proxy_plugins.", name, "] is there, but pods are started with ", config_.snapshotter.empty() ? "overlayfs" : config_.snapshotter, ": no image is had lazily"),
            set(config_.snapshotter_section(), str_cat("snapshotter = \"", name, "\"")));
}

void Diagnosis::check_proxy(const ContainerdConfig::Proxy& proxy) {
  const std::string section = str_cat("[proxy_plugins.", config_.snapshotter, "]");
  if (proxy.type != "snapshot")
    wrong("snapshotter-type", str_cat(section, " isn't of type \"snapshot\""), set(section, "type = \"snapshot\""));
  if (const absl::Status status = machine_.ask_socket(proxy.address); !status.ok())
    wrong("snapshotter-socket", str_cat("the snapshotter at \"", proxy.address, "\" doesn't answer (", to_std(status.message()), "): pods can't start"),
          "start samara-node, or set the address to its snapshotter_socket");
  if (config_.is_two() && proxy.root.empty())
    note("snapshotter-root", "the snapshotter's directory isn't told, so the kubelet measures the wrong disk",
         set(str_cat("[proxy_plugins.", config_.snapshotter, ".exports]"), "root = \"/var/lib/samara/node\""));
  check_annotations(proxy);
  if (config_.discard_unpacked_layers)
    wrong("layers-discarded", "discard_unpacked_layers is on: what was unpacked ordinarily can't be unpacked again",
          set(config_.snapshotter_section(), "discard_unpacked_layers = false"));
  check_kernel();
}

// The snapshotter learns which image and layer it is asked for from annotations, which containerd keeps to itself unless
// told: CRI's own pull by one switch, the transfer service (2.1 and later, while that switch isn't set) by others.
void Diagnosis::check_annotations(const ContainerdConfig::Proxy& proxy) {
  if (config_.disable_snapshot_annotations == false) return;
  const std::string fix = set(config_.snapshotter_section(), "disable_snapshot_annotations = false");
  if (!config_.is_two() || config_.use_local_image_pull == true)
    return wrong("annotations-off", "disable_snapshot_annotations isn't false: the snapshotter isn't told which layer it is asked for, and nothing is had lazily", fix);
  const auto& unpack = config_.unpack_snapshotters;
  const bool unpacks = std::find(unpack.begin(), unpack.end(), config_.snapshotter) != unpack.end();
  if (unpacks && proxy.remote_annotations) return;
  wrong("pull-mode", "images are pulled by containerd's transfer service, which doesn't tell this snapshotter about layers: nothing is had lazily",
        str_cat(fix, "; or give the transfer service an unpack_config with snapshotter = \"", config_.snapshotter,
                "\", and [proxy_plugins.", config_.snapshotter, ".exports] enable_remote_snapshot_annotations = \"true\""));
}

void Diagnosis::check_kernel() {
  if (!exists(machine_.root + "/dev/fuse"))
    wrong("fuse-missing", "/dev/fuse isn't there: no layer can be mounted", "load the module: modprobe fuse");
  const auto filesystems = read_file(machine_.root + "/proc/filesystems", 1u << 20);
  if (!filesystems.ok() || filesystems->find("\toverlay\n") == std::string::npos)
    wrong("overlay-missing", "the kernel has no overlay filesystem: no container can be mounted", "load the module: modprobe overlay");
}

}  // namespace

std::vector<Finding> diagnose(const Question& question, const Machine& machine) { return Diagnosis(question, machine).run(); }

}  // namespace samara::cli
