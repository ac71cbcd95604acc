#include "registry_proxy/image_archive.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "json.h"

namespace samara::registry_proxy {
namespace {

using cache_index::LayerRecord;
using nlohmann::json;

constexpr std::string_view kFormat = "samara-image-archive";
constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kMostImages = 10'000, kMostItems = 20'000;
constexpr std::size_t kLongestText = 1024;

absl::Status bad(std::string_view what) { return absl::InvalidArgumentError(str_cat(kArchiveFile, ": ", what)); }

json to_json(const ArchivedImage& image) {
  json manifests = json::array(), layers = json::array(), referrers = json::array(), traces = json::array(), objects = json::array();
  for (const auto& manifest : image.manifests) {
    json one = {{"digest", manifest.digest.to_string()}, {"mediaType", manifest.media_type}};
    if (!manifest.tag.empty()) one["tag"] = manifest.tag;
    manifests.push_back(std::move(one));
  }
  for (const LayerRecord& layer : image.layers) {
    layers.push_back({{"layer", layer.layer.to_string()},
                      {"index", layer.index.to_string()},
                      {"indexSize", layer.index_size},
                      {"blob", layer.blob.to_string()},
                      {"blobSize", layer.blob_size}});
  }
  for (const ArchivedImage::Referrers& one : image.referrers)
    referrers.push_back({{"subject", one.subject.to_string()}, {"list", one.list.to_string()}});
  for (const Digest& trace : image.traces) traces.push_back(trace.to_string());
  for (const Digest& object : image.objects) objects.push_back(object.to_string());
  return {{"name", image.name},           {"manifests", std::move(manifests)}, {"layers", std::move(layers)},
          {"referrers", std::move(referrers)}, {"traces", std::move(traces)},       {"objects", std::move(objects)}};
}

absl::StatusOr<Digest> digest_in(const json& object, const char* key) {
  const auto text = json_text(object, key);
  if (!text) return bad(str_cat("no \"", key, "\""));
  const auto digest = Digest::parse(*text);
  if (!digest.ok()) return bad(str_cat("\"", key, "\" isn't a digest"));
  return digest;
}

absl::StatusOr<std::uint64_t> number_in(const json& object, const char* key) {
  const auto number = json_number(object, key);
  if (!number) return bad(str_cat("no number \"", key, "\""));
  return *number;
}

absl::StatusOr<const json*> array_in(const json& object, const char* key) {
  const json* const array = json_member(object, key);
  if (array == nullptr || !array->is_array()) return bad(str_cat("no list \"", key, "\""));
  if (array->size() > kMostItems) return bad(str_cat("\"", key, "\" has ", array->size(), " entries"));
  return array;
}

absl::StatusOr<std::vector<Digest>> digests_in(const json& object, const char* key) {
  SAMARA_ASSIGN_OR_RETURN(const json* const array, array_in(object, key));
  std::vector<Digest> digests;
  for (const json& one : *array) {
    const auto digest = one.is_string() ? Digest::parse(one.get<std::string>()) : absl::InvalidArgumentError("");
    if (!digest.ok()) return bad(str_cat("\"", key, "\" has something else than digests"));
    digests.push_back(*digest);
  }
  return digests;
}

absl::StatusOr<LayerRecord> layer_in(const json& object) {
  LayerRecord record;
  SAMARA_ASSIGN_OR_RETURN(record.layer, digest_in(object, "layer"));
  SAMARA_ASSIGN_OR_RETURN(record.index, digest_in(object, "index"));
  SAMARA_ASSIGN_OR_RETURN(record.blob, digest_in(object, "blob"));
  SAMARA_ASSIGN_OR_RETURN(record.index_size, number_in(object, "indexSize"));
  SAMARA_ASSIGN_OR_RETURN(record.blob_size, number_in(object, "blobSize"));
  return record;
}

absl::StatusOr<ArchivedImage> image_in(const json& object) {
  ArchivedImage image;
  const auto name = json_text(object, "name");
  if (!name || name->empty() || name->size() > kLongestText) return bad("an image without a name");
  image.name = *name;
  SAMARA_ASSIGN_OR_RETURN(const json* const manifests, array_in(object, "manifests"));
  for (const json& one : *manifests) {
    cache_index::ImportedImage::NamedManifest manifest;
    SAMARA_ASSIGN_OR_RETURN(manifest.digest, digest_in(one, "digest"));
    manifest.media_type = json_text(one, "mediaType").value_or("");
    manifest.tag = json_text(one, "tag").value_or("");
    if (manifest.media_type.size() > kLongestText || manifest.tag.size() > kLongestText) return bad("a manifest with too long a text");
    image.manifests.push_back(std::move(manifest));
  }
  if (image.manifests.empty()) return bad("an image without a manifest");
  SAMARA_ASSIGN_OR_RETURN(const json* const layers, array_in(object, "layers"));
  for (const json& one : *layers) {
    SAMARA_ASSIGN_OR_RETURN(image.layers.emplace_back(), layer_in(one));
  }
  SAMARA_ASSIGN_OR_RETURN(const json* const referrers, array_in(object, "referrers"));
  for (const json& one : *referrers) {
    ArchivedImage::Referrers list;
    SAMARA_ASSIGN_OR_RETURN(list.subject, digest_in(one, "subject"));
    SAMARA_ASSIGN_OR_RETURN(list.list, digest_in(one, "list"));
    image.referrers.push_back(list);
  }
  SAMARA_ASSIGN_OR_RETURN(image.traces, digests_in(object, "traces"));
  SAMARA_ASSIGN_OR_RETURN(image.objects, digests_in(object, "objects"));
  return image;
}

}  // namespace

std::string archive_path(const Digest& digest) { return str_cat("blobs/", digest.algorithm_name(), "/", digest.hex()); }

std::string encode_archive(const std::vector<ArchivedImage>& images) {
  json list = json::array();
  for (const ArchivedImage& image : images) list.push_back(to_json(image));
  const json all = {{"format", kFormat}, {"version", kVersion}, {"images", std::move(list)}};
  return all.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

absl::StatusOr<std::vector<ArchivedImage>> parse_archive(std::string_view text) {
  const std::optional<json> parsed = parse_json(text);
  if (!parsed || json_text(*parsed, "format") != kFormat) return bad("it isn't one of Samara's");
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t version, number_in(*parsed, "version"));
  if (version > kVersion)
    return absl::FailedPreconditionError(str_cat("the archive has version ", version, "; this program reads ", kVersion, ": use a newer one"));
  SAMARA_ASSIGN_OR_RETURN(const json* const list, array_in(*parsed, "images"));
  if (list->empty() || list->size() > kMostImages) return bad(str_cat("it has ", list->size(), " images"));
  std::vector<ArchivedImage> images;
  for (const json& one : *list) {
    SAMARA_ASSIGN_OR_RETURN(images.emplace_back(), image_in(one));
  }
  return images;
}

std::string encode_layout_index(const std::vector<ArchivedImage>& images, const std::map<Digest, std::uint64_t>& sizes) {
  json manifests = json::array();
  std::set<std::pair<std::string, std::string>> listed;
  for (const ArchivedImage& image : images) {
    const std::string repository = image.name.substr(0, image.name.find_last_of(":@"));
    for (std::size_t i = 0; i < image.manifests.size(); ++i) {
      const auto& manifest = image.manifests[i];
      const std::string name = i == 0 ? image.name : manifest.tag.empty() ? "" : str_cat(repository, ":", manifest.tag);
      if (!listed.insert({manifest.digest.to_string(), name}).second) continue;
      const auto size = sizes.find(manifest.digest);
      json one = {{"mediaType", manifest.media_type}, {"digest", manifest.digest.to_string()}, {"size", size == sizes.end() ? 0 : size->second}};
      if (!name.empty()) one["annotations"] = {{"org.opencontainers.image.ref.name", name}};
      manifests.push_back(std::move(one));
    }
  }
  const json index = {{"schemaVersion", 2}, {"mediaType", "application/vnd.oci.image.index.v1+json"}, {"manifests", std::move(manifests)}};
  return index.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

absl::StatusOr<std::string> ArchiveFiles::read(const std::string& name, std::uint64_t limit) const {
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t bytes, size(name));
  if (bytes > limit) return absl::InvalidArgumentError(str_cat(name, " has ", bytes, " bytes, more than it may"));
  std::string text(bytes, '\0');
  SAMARA_RETURN_IF_ERROR(read_at(name, 0, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}));
  return text;
}

absl::StatusOr<std::string> ArchiveFiles::read_object(const Digest& digest, std::uint64_t limit) const {
  SAMARA_ASSIGN_OR_RETURN(std::string text, read(archive_path(digest), limit));
  cache_index::Hasher hasher(digest.algorithm());
  hasher.update(as_bytes(text));
  if (hasher.finish() == digest) return text;
  return absl::DataLossError(str_cat(archive_path(digest), " was altered: its bytes have another digest"));
}

}  // namespace samara::registry_proxy
