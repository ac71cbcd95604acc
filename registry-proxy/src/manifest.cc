#include "registry_proxy/manifest.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "base/status.h"
#include "base/text.h"
#include "json.h"

namespace samara::registry_proxy {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxDescriptors = 4096;  // layers of an image, images of an index

struct KnownType {
  std::string_view name;
  Manifest::Kind kind;
};
struct AgreedType {
  std::string name;
  Manifest::Kind kind;
};
constexpr std::array<KnownType, 4> kKnownTypes{{
    {"application/vnd.oci.image.index.v1+json", Manifest::Kind::kIndex},
    {"application/vnd.oci.image.manifest.v1+json", Manifest::Kind::kImage},
    {"application/vnd.docker.distribution.manifest.list.v2+json", Manifest::Kind::kIndex},
    {"application/vnd.docker.distribution.manifest.v2+json", Manifest::Kind::kImage},
}};

const KnownType* known(std::string_view type) {
  const auto* it = std::find_if(kKnownTypes.begin(), kKnownTypes.end(), [&](const auto& t) { return t.name == type; });
  return it == kKnownTypes.end() ? nullptr : it;
}

absl::Status broken(std::string_view why) { return absl::InvalidArgumentError(str_cat("not a manifest: ", why)); }

// Without parameters, in lower case.
std::string bare_type(std::string_view content_type) {
  const absl::string_view bare = absl::StripAsciiWhitespace(to_absl(content_type.substr(0, content_type.find(';'))));
  return absl::AsciiStrToLower(bare);
}

absl::StatusOr<Descriptor> read_descriptor(const json& value, std::string_view what) {
  const auto media_type = json_text(value, "mediaType");
  const auto digest = json_text(value, "digest");
  const auto size = json_number(value, "size");
  if (!media_type || !digest || !size) return broken(str_cat(what, " lacks mediaType, digest or size"));
  const auto parsed = Digest::parse(*digest);
  if (!parsed.ok()) return broken(str_cat(what, " has a malformed digest"));
  if (*size >> 62 != 0) return broken(str_cat(what, " has an impossible size"));
  return Descriptor{*media_type, *parsed, *size};
}

absl::StatusOr<std::vector<Descriptor>> read_descriptors(const json& manifest, const char* key) {
  const json* list = json_member(manifest, key);
  if (list == nullptr || !list->is_array()) return broken(str_cat("it has no list of ", key));
  if (list->size() > kMaxDescriptors) return broken(str_cat("it has ", list->size(), " ", key));
  std::vector<Descriptor> result;
  for (const json& entry : *list) {
    SAMARA_ASSIGN_OR_RETURN(Descriptor descriptor, read_descriptor(entry, str_cat("one of its ", key)));
    result.push_back(std::move(descriptor));
  }
  return result;
}

bool is_generic(std::string_view type) {
  return type.empty() || type == "application/json" || type == "application/octet-stream" || type == "text/plain";
}

// The type that Content-Type and the manifest itself agree on.
absl::StatusOr<AgreedType> agree_on_type(const json& manifest, std::string_view content_type) {
  const std::string outside = bare_type(content_type);
  const json* inside = json_member(manifest, "mediaType");
  if (inside != nullptr) {
    const auto text = json_text(manifest, "mediaType");
    const KnownType* type = text ? known(*text) : nullptr;
    if (type == nullptr && (!text || *text != outside || is_generic(outside))) return broken("its mediaType is unknown");
    if (type == nullptr) return AgreedType{outside, Manifest::Kind::kOther};
    if (known(outside) != nullptr && outside != type->name) return broken("mediaType contradicts Content-Type");
    return AgreedType{std::string(type->name), type->kind};
  }
  const KnownType* type = known(outside);
  if (type == nullptr && !is_generic(outside)) return broken("its Content-Type is unknown");
  if (type == nullptr)  // OCI's may omit it
    type = json_member(manifest, "manifests") != nullptr ? &kKnownTypes[0] : &kKnownTypes[1];
  return AgreedType{std::string(type->name), type->kind};
}

}  // namespace

std::string_view accepted_manifest_types() {
  static const std::string all = [] {
    std::string text;
    for (const KnownType& type : kKnownTypes) str_append(&text, text.empty() ? "" : ", ", type.name);
    return text;
  }();
  return all;
}

absl::StatusOr<Manifest> parse_manifest(std::string_view bytes, std::string_view content_type) {
  if (bytes.size() > kMaxManifestBytes) return broken("it is too large");
  const std::optional<json> parsed = parse_json(bytes);
  if (!parsed || !parsed->is_object()) return broken("it isn't a JSON object");
  const bool has_version = json_member(*parsed, "schemaVersion") != nullptr;
  if (has_version && json_number(*parsed, "schemaVersion") != 2) return broken("its schemaVersion isn't 2");
  SAMARA_ASSIGN_OR_RETURN(const AgreedType type, agree_on_type(*parsed, content_type));

  Manifest manifest;
  manifest.kind = type.kind;
  manifest.media_type = type.name;
  if (type.kind == Manifest::Kind::kOther) return manifest;
  if (!has_version) return broken("it has no schemaVersion");
  if (type.kind == Manifest::Kind::kIndex) {
    if (json_member(*parsed, "layers") != nullptr) return broken("an index with layers");
    SAMARA_RETURN_IF_ERROR(read_descriptors(*parsed, "manifests").status());
    return manifest;
  }
  if (json_member(*parsed, "manifests") != nullptr) return broken("an image with a list of manifests");
  const json* config = json_member(*parsed, "config");
  if (config == nullptr) return broken("it has no config");
  SAMARA_ASSIGN_OR_RETURN(manifest.config, read_descriptor(*config, "its config"));
  SAMARA_ASSIGN_OR_RETURN(manifest.layers, read_descriptors(*parsed, "layers"));
  return manifest;
}

bool is_container_image(const Manifest& manifest) {
  return manifest.kind == Manifest::Kind::kImage &&
         (manifest.config.media_type == "application/vnd.oci.image.config.v1+json" ||
          manifest.config.media_type == "application/vnd.docker.container.image.v1+json");
}

bool is_layer_type(std::string_view media_type) {
  constexpr std::array<std::string_view, 6> kTypes{
      "application/vnd.oci.image.layer.v1.tar",
      "application/vnd.oci.image.layer.v1.tar+gzip",
      "application/vnd.oci.image.layer.v1.tar+zstd",
      "application/vnd.docker.image.rootfs.diff.tar",
      "application/vnd.docker.image.rootfs.diff.tar.gzip",
      "application/vnd.docker.image.rootfs.diff.tar.zstd",
  };
  return std::find(kTypes.begin(), kTypes.end(), media_type) != kTypes.end();
}

bool is_convertible_image(const Manifest& manifest) {
  return is_container_image(manifest) && std::all_of(manifest.layers.begin(), manifest.layers.end(),
                                                     [](const Descriptor& layer) { return is_layer_type(layer.media_type); });
}

absl::StatusOr<std::vector<Digest>> parse_diff_ids(std::string_view config, std::size_t layers) {
  const std::optional<json> parsed = parse_json(config);
  if (!parsed) return absl::InvalidArgumentError("the image config isn't JSON");
  const json* rootfs = json_member(*parsed, "rootfs");
  const json* list = rootfs == nullptr ? nullptr : json_member(*rootfs, "diff_ids");
  if (list == nullptr || !list->is_array()) return absl::InvalidArgumentError("the image config has no diff_ids");
  if (list->size() != layers)
    return absl::InvalidArgumentError(
        str_cat("the image config has ", list->size(), " diff_ids for ", layers, " layers"));
  std::vector<Digest> result;
  for (const json& entry : *list) {
    const auto digest = Digest::parse(entry.is_string() ? entry.get<std::string>() : "");
    if (!digest.ok()) return absl::InvalidArgumentError("the image config has a malformed diff_id");
    result.push_back(*digest);
  }
  return result;
}

}  // namespace samara::registry_proxy
