#include "registry_proxy/platform.h"

#include <sys/utsname.h>

#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/text.h"
#include "json.h"

namespace samara::registry_proxy {
namespace {

constexpr std::size_t kMostNamed = 16;

Platform platform_from(const nlohmann::json& object) {
  return {json_text(object, "os").value_or(""), json_text(object, "architecture").value_or(""), json_text(object, "variant").value_or("")};
}

}  // namespace

std::string Platform::to_string() const { return str_cat(os, "/", architecture, variant.empty() ? "" : "/", variant); }

bool Platform::fits(const Platform& wanted) const {
  return os == wanted.os && architecture == wanted.architecture && (variant.empty() || wanted.variant.empty() || variant == wanted.variant);
}

absl::StatusOr<Platform> parse_platform(std::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(to_absl(text), '/');
  if (parts.size() >= 2 && parts.size() <= 3 && !parts[0].empty() && !parts[1].empty() && text.size() <= 128)
    return Platform{parts[0], parts[1], parts.size() == 3 ? parts[2] : ""};
  return absl::InvalidArgumentError(str_cat("\"", text.substr(0, 128), "\" isn't a platform: linux/amd64, linux/arm64/v8"));
}

Platform own_platform() {
  utsname names{};
  if (::uname(&names) != 0) return {"linux", "amd64", ""};
  const std::string machine = names.machine;
  if (machine == "x86_64") return {"linux", "amd64", ""};
  if (machine == "aarch64") return {"linux", "arm64", ""};
  return {"linux", machine, ""};
}

absl::StatusOr<Descriptor> choose_image(std::string_view index, const Platform& wanted) {
  const auto json = parse_json(index);
  const auto* manifests = json ? json_member(*json, "manifests") : nullptr;
  if (manifests == nullptr || !manifests->is_array()) return absl::InvalidArgumentError("not an index of images");
  std::string known;
  std::size_t named = 0;
  for (const auto& each : *manifests) {
    const auto* object = json_member(each, "platform");
    const auto digest = Digest::parse(json_text(each, "digest").value_or(""));
    if (object == nullptr || !digest.ok()) continue;
    const Platform platform = platform_from(*object);
    if (platform.fits(wanted)) return Descriptor{json_text(each, "mediaType").value_or(""), *digest, json_number(each, "size").value_or(0)};
    if (platform.os != "unknown" && ++named <= kMostNamed) str_append(&known, known.empty() ? "" : ", ", platform.to_string());
  }
  return absl::NotFoundError(str_cat("there is no image for ", wanted.to_string(), "; there is one for: ", known.empty() ? "no platform" : known));
}

absl::StatusOr<Platform> platform_of_config(std::string_view config) {
  const auto json = parse_json(config);
  if (!json || !json->is_object()) return absl::InvalidArgumentError("the image's config isn't a JSON object");
  return platform_from(*json);
}

}  // namespace samara::registry_proxy
