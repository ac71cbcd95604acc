#include "registry_proxy/images.h"

#include <algorithm>

#include "base/status.h"
#include "base/text.h"
#include "registry_proxy/platform.h"

namespace samara::registry_proxy {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 8u << 20;

absl::Status check_platform(const std::string& config, const Platform& wanted) {
  SAMARA_ASSIGN_OR_RETURN(const Platform platform, platform_of_config(config));
  if (platform.fits(wanted)) return absl::OkStatus();
  return absl::NotFoundError(str_cat("there is no image for ", wanted.to_string(), "; it is for ", platform.to_string()));
}

}  // namespace

absl::StatusOr<peer::WarmImage> Images::resolve(std::string_view text, std::string_view platform_text) {
  SAMARA_ASSIGN_OR_RETURN(const ImageName name, parse_image_name(text));
  SAMARA_ASSIGN_OR_RETURN(const Repository repository, upstreams_.repository(name.registry, name.repository));
  Platform wanted = own_platform();
  if (!platform_text.empty()) {
    SAMARA_ASSIGN_OR_RETURN(wanted, parse_platform(platform_text));
  }
  SAMARA_ASSIGN_OR_RETURN(StoredManifest manifest, manifests_.get(repository, name.reference));
  peer::WarmImage image;
  image.registry = repository.registry;
  image.repository = repository.name;
  image.name = str_cat(repository.to_string(), name.reference.digest ? "@" : ":", name.reference.to_string());
  if (manifest.parsed.kind == Manifest::Kind::kIndex) {
    SAMARA_ASSIGN_OR_RETURN(const Descriptor chosen, choose_image(manifest.bytes, wanted));
    image.index = std::move(manifest.bytes);
    image.index_media_type = manifest.media_type;
    SAMARA_ASSIGN_OR_RETURN(manifest, manifests_.get(repository, Reference{"", chosen.digest}));
  }
  if (!is_container_image(manifest.parsed)) return absl::InvalidArgumentError("it isn't an image that can be run");
  const Descriptor& config = manifest.parsed.config;
  SAMARA_ASSIGN_OR_RETURN(image.config, blobs_.read({repository, config.digest, config.size}, kMaxConfigBytes, {}));
  if (!platform_text.empty()) SAMARA_RETURN_IF_ERROR(check_platform(image.config, wanted));
  SAMARA_ASSIGN_OR_RETURN(const std::vector<Digest> diff_ids, parse_diff_ids(image.config, manifest.parsed.layers.size()));
  image.digest = manifest.digest;
  image.media_type = manifest.media_type;
  image.manifest = std::move(manifest.bytes);
  for (std::size_t i = 0; i < diff_ids.size(); ++i) {
    peer::WarmImage::Layer layer;
    layer.record.layer = manifest.parsed.layers[i].digest;
    layer.record.layer_size = manifest.parsed.layers[i].size;
    layer.diff_id = diff_ids[i];
    image.layers.push_back(std::move(layer));
  }
  if (image.layers.size() > peer::kMaxTraceLayers) return absl::InvalidArgumentError(str_cat("it has ", image.layers.size(), " layers"));
  fill_in(image);
  return image;
}

void Images::fill_in(peer::WarmImage& image) const {
  bool complete = true;
  for (peer::WarmImage::Layer& layer : image.layers) {
    const std::uint64_t size = layer.record.layer_size;
    const absl::StatusOr<cache_index::LayerRecord> record = cache_.converted_layer(layer.record.layer);
    complete = complete && record.ok();
    if (!record.ok()) continue;
    layer.record = *record;
    layer.record.layer_size = size;
  }
  if (complete) image.trace_bytes = trace_bytes(image);
}

absl::StatusOr<Images::Progress> Images::convert(peer::WarmImage& image) {
  using State = peer::LayerStatus::State;
  SAMARA_ASSIGN_OR_RETURN(const Repository repository, upstreams_.repository(image.registry, image.repository));
  SAMARA_ASSIGN_OR_RETURN(const Upstream* const upstream, upstreams_.find(repository.registry));
  Progress progress;
  bool unknown = false, complete = true;
  for (const peer::WarmImage::Layer& layer : image.layers) {
    const peer::LayerStatus status = conversions_.status(layer.record.layer);
    progress.total += layer.record.layer_size;
    if (status.state == State::kFailed)
      return absl::FailedPreconditionError(str_cat("layer ", layer.record.layer.to_string(), " can't be converted: ", status.error));
    unknown = unknown || status.state == State::kUnknown;
    complete = complete && status.state == State::kConverted;
    progress.done += status.state == State::kConverted ? layer.record.layer_size : std::min(status.bytes_done, layer.record.layer_size);
  }
  if (unknown) {
    if (upstream->config().convert == ConvertPolicy::kNever)
      return absl::FailedPreconditionError(str_cat("layers of ", repository.registry, " are not converted here (convert = \"never\")"));
    SAMARA_ASSIGN_OR_RETURN(const Manifest manifest, parse_manifest(image.manifest, image.media_type));
    conversions_.convert_image(repository, manifest);
  }
  if (!complete) return progress;
  // A manifest may name any layer: the records are for those whose repository really has it.
  for (const peer::WarmImage::Layer& layer : image.layers)
    SAMARA_RETURN_IF_ERROR(blobs_.check_reachable({repository, layer.record.layer, layer.record.layer_size}));
  fill_in(image);
  progress.complete = std::all_of(image.layers.begin(), image.layers.end(), [](const auto& layer) { return layer.converted(); });
  return progress;
}

std::uint64_t Images::trace_bytes(const peer::WarmImage& image) const {
  const absl::StatusOr<peer::StartTrace> trace = traces_.find(peer::chain_id(image.diff_ids()));
  if (!trace.ok()) return 0;
  std::map<Digest, std::unique_ptr<cache_index::IndexReader>> indexes;
  for (const peer::WarmImage::Layer& layer : image.layers) {
    auto index = cache_index::IndexReader::open(cache_.object_path(layer.record.index));
    if (index.ok()) indexes[layer.diff_id] = *std::move(index);
  }
  std::uint64_t bytes = 0;
  for (const auto& [layer, chunk] : trace->chunks) {
    const auto index = indexes.find(layer);
    const auto found = index == indexes.end() ? absl::NotFoundError("no index") : index->second->chunk(chunk);
    if (found.ok()) bytes += found->blob_size;
  }
  return bytes;
}

}  // namespace samara::registry_proxy
