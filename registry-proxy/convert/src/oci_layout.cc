#include "convert/oci_layout.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"

namespace samara::convert {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxDocument = 4u << 20;

struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;
  std::string tag;
  std::string platform;  ///< empty where the descriptor doesn't say
};

absl::Status malformed(std::string_view where, std::string_view what) {
  return absl::InvalidArgumentError(str_cat(where, ": ", what));
}

absl::StatusOr<Json> parse_object(std::string_view text, std::string_view where) {
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) return malformed(where, "isn't a JSON object");
  return json;
}

const Json* member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::string text_of(const Json& object, const char* key) {
  const Json* value = member(object, key);
  const std::string* text = value != nullptr ? value->get_ptr<const Json::string_t*>() : nullptr;
  return text != nullptr ? *text : std::string();
}

/// The array under `key`, bounded.
absl::StatusOr<const Json*> array_of(const Json& object, const char* key, std::string_view where) {
  const Json* value = member(object, key);
  if (value == nullptr || !value->is_array()) return malformed(where, str_cat("has no array \"", key, "\""));
  if (value->size() > OciLayout::kMaxManifests) {
    return absl::UnimplementedError(str_cat(where, ": more than ", OciLayout::kMaxManifests, " in \"", key, "\""));
  }
  return value;
}

std::string platform_of(const Json& object) {
  const std::string os = text_of(object, "os"), architecture = text_of(object, "architecture");
  if (os.empty() && architecture.empty()) return {};
  const std::string variant = text_of(object, "variant");
  return variant.empty() ? str_cat(os, "/", architecture) : str_cat(os, "/", architecture, "/", variant);
}

/// "linux/arm64" asks for any variant.
bool platform_matches(std::string_view wanted, std::string_view platform) {
  if (wanted.empty() || wanted == platform) return true;
  return platform.substr(0, wanted.size()) == wanted && platform.substr(wanted.size(), 1) == "/";
}

absl::StatusOr<Descriptor> read_descriptor(const Json& json, std::string_view where) {
  Descriptor descriptor;
  descriptor.media_type = text_of(json, "mediaType");
  absl::StatusOr<Digest> digest = Digest::parse(text_of(json, "digest"));
  if (!digest.ok()) return annotate(digest.status(), str_cat(where, ": descriptor"));
  descriptor.digest = *std::move(digest);
  const Json* size = member(json, "size");
  if (size == nullptr || !size->is_number_unsigned()) return malformed(where, "descriptor without a size");
  descriptor.size = size->get<std::uint64_t>();
  if (const Json* annotations = member(json, "annotations")) {
    descriptor.tag = text_of(*annotations, "org.opencontainers.image.ref.name");
  }
  if (const Json* platform = member(json, "platform")) descriptor.platform = platform_of(*platform);
  return descriptor;
}

bool is_index(const Descriptor& descriptor) {
  return descriptor.media_type == "application/vnd.oci.image.index.v1+json" ||
         descriptor.media_type == "application/vnd.docker.distribution.manifest.list.v2+json";
}

bool is_manifest(const Descriptor& descriptor) {
  return descriptor.media_type == "application/vnd.oci.image.manifest.v1+json" ||
         descriptor.media_type == "application/vnd.docker.distribution.manifest.v2+json";
}

bool is_tar(std::string_view media_type) {
  return media_type.find(".tar") != std::string_view::npos &&
         (media_type.find("application/vnd.oci.image.layer.") == 0 ||
          media_type.find("application/vnd.docker.image.rootfs.") == 0);
}

/// Collects images while it descends from index.json.
class Search {
 public:
  Search(const OciLayout& layout, std::string_view tag, std::string_view platform)
      : layout_(layout), tag_(tag), platform_(platform) {}

  absl::Status index(const Json& json, const std::string& where, std::string_view tag, int depth) {
    SAMARA_ASSIGN_OR_RETURN(const Json* const manifests, array_of(json, "manifests", where));
    for (const Json& entry : *manifests) {
      SAMARA_ASSIGN_OR_RETURN(Descriptor descriptor, read_descriptor(entry, where));
      if (depth > 0) descriptor.tag = tag;  // tags stand in index.json only
      if (!wanted(descriptor) || !seen_.insert({descriptor.digest, descriptor.tag}).second) continue;
      if (seen_.size() > OciLayout::kMaxManifests) return absl::UnimplementedError("more manifests than are taken");
      SAMARA_RETURN_IF_ERROR(descend(descriptor, depth));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<LayoutImage>> result(std::string_view directory) {
    if (!images_.empty()) return std::move(images_);
    std::string there;
    for (const std::string& what : others_) str_append(&there, there.empty() ? "" : ", ", what);
    return absl::NotFoundError(str_cat(directory, " has no image", tag_.empty() ? "" : " ", tag_,
                                       platform_.empty() ? "" : " for ", platform_,
                                       there.empty() ? "" : "; it has ", there));
  }

 private:
  bool wanted(const Descriptor& descriptor) {
    const bool tag_fits = tag_.empty() || descriptor.tag == tag_;
    // Attestations are listed as manifests for a platform of their own.
    const bool is_image = descriptor.platform != "unknown/unknown";
    const bool platform_fits = descriptor.platform.empty() || platform_matches(platform_, descriptor.platform);
    if (is_image && !(tag_fits && platform_fits) && others_.size() < 20) {
      others_.insert(str_cat(descriptor.tag.empty() ? descriptor.digest.brief() : descriptor.tag,
                             descriptor.platform.empty() ? "" : " for ", descriptor.platform));
    }
    return tag_fits && is_image && platform_fits;
  }

  absl::Status descend(const Descriptor& descriptor, int depth) {
    const std::string where = descriptor.digest.to_string();
    if (!is_index(descriptor) && !is_manifest(descriptor)) {
      return absl::UnimplementedError(str_cat(where, ": media type \"", descriptor.media_type, "\" isn't an image"));
    }
    SAMARA_ASSIGN_OR_RETURN(const Json json, document(descriptor));
    if (is_manifest(descriptor)) return image(descriptor, json, where);
    if (depth >= OciLayout::kMaxDepth) return absl::UnimplementedError(str_cat(where, ": indexes nested too deeply"));
    return index(json, where, descriptor.tag, depth + 1);
  }

  absl::Status image(const Descriptor& descriptor, const Json& manifest, const std::string& where) {
    const Json* config_json = member(manifest, "config");
    if (config_json == nullptr) return malformed(where, "manifest without a config");
    SAMARA_ASSIGN_OR_RETURN(const Descriptor config_descriptor, read_descriptor(*config_json, where));
    SAMARA_ASSIGN_OR_RETURN(const Json config, document(config_descriptor));
    LayoutImage image{.name = descriptor.tag, .platform = platform_of(config), .manifest = descriptor.digest, .layers = {}};
    if (!platform_matches(platform_, image.platform)) {
      others_.insert(str_cat(image.name, " for ", image.platform));
      return absl::OkStatus();
    }
    SAMARA_ASSIGN_OR_RETURN(image.layers, layers(manifest, where, config, config_descriptor.digest.to_string()));
    images_.push_back(std::move(image));
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<LayoutLayer>> layers(const Json& manifest, const std::string& where, const Json& config,
                                                  const std::string& config_where) {
    SAMARA_ASSIGN_OR_RETURN(const Json* const entries, array_of(manifest, "layers", where));
    const Json* rootfs = member(config, "rootfs");
    if (rootfs == nullptr) return malformed(config_where, "config without a rootfs");
    SAMARA_ASSIGN_OR_RETURN(const Json* const diff_ids, array_of(*rootfs, "diff_ids", config_where));
    if (entries->size() != diff_ids->size()) {
      return malformed(where, str_cat(entries->size(), " layers, but ", diff_ids->size(), " diff_ids in the config"));
    }
    std::vector<LayoutLayer> layers;
    for (std::size_t i = 0; i < entries->size(); ++i) {
      SAMARA_ASSIGN_OR_RETURN(const Descriptor layer, read_descriptor((*entries)[i], where));
      if (!is_tar(layer.media_type)) {
        return absl::UnimplementedError(str_cat(where, ": layer ", layer.digest.to_string(), " has media type \"",
                                                layer.media_type, "\", which isn't a tar"));
      }
      const std::string* text = (*diff_ids)[i].get_ptr<const Json::string_t*>();
      absl::StatusOr<Digest> diff_id = Digest::parse(text != nullptr ? *text : std::string());
      if (!diff_id.ok()) return annotate(diff_id.status(), str_cat(config_where, ": diff_ids"));
      layers.push_back({.media_type = layer.media_type, .digest = layer.digest, .size = layer.size, .diff_id = *diff_id});
    }
    return layers;
  }

  /// A blob that is JSON, checked against its descriptor.
  absl::StatusOr<Json> document(const Descriptor& descriptor) const {
    SAMARA_ASSIGN_OR_RETURN(const std::string text, read_file(layout_.blob_path(descriptor.digest), kMaxDocument));
    const std::string where = descriptor.digest.to_string();
    if (text.size() != descriptor.size) {
      return absl::DataLossError(str_cat(where, ": ", text.size(), " bytes, its descriptor says ", descriptor.size));
    }
    cache_index::Hasher hasher(descriptor.digest.algorithm());
    hasher.update(as_bytes(text));
    if (const Digest found = hasher.finish(); found != descriptor.digest) {
      return absl::DataLossError(str_cat(where, ": its bytes are ", found.to_string()));
    }
    return parse_object(text, where);
  }

  const OciLayout& layout_;
  std::string_view tag_, platform_;
  std::set<std::pair<Digest, std::string>> seen_;
  std::set<std::string> others_;  // what didn't fit, for the message
  std::vector<LayoutImage> images_;
};

}  // namespace

absl::StatusOr<OciLayout> OciLayout::open(std::string directory) {
  const std::string path = directory + "/oci-layout";
  SAMARA_ASSIGN_OR_RETURN(const std::string text, read_file(path, kMaxDocument));
  SAMARA_ASSIGN_OR_RETURN(const Json json, parse_object(text, path));
  const std::string version = text_of(json, "imageLayoutVersion");
  if (version.substr(0, 2) != "1.") return malformed(path, str_cat("version \"", version, "\" of the layout isn't known"));
  return OciLayout(std::move(directory));
}

absl::StatusOr<std::vector<LayoutImage>> OciLayout::images(std::string_view tag, std::string_view platform) const {
  const std::string path = directory_ + "/index.json";
  SAMARA_ASSIGN_OR_RETURN(const std::string text, read_file(path, kMaxDocument));
  SAMARA_ASSIGN_OR_RETURN(const Json json, parse_object(text, path));
  Search search(*this, tag, platform);
  SAMARA_RETURN_IF_ERROR(search.index(json, path, {}, 0));
  return search.result(directory_);
}

std::string OciLayout::blob_path(const Digest& digest) const {
  return str_cat(directory_, "/blobs/", digest.algorithm_name(), "/", digest.hex());
}

}  // namespace samara::convert
