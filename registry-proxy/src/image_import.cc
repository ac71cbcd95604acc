#include "registry_proxy/image_import.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/index_reader.h"
#include "cache_index/tar_stream.h"
#include "json.h"
#include "peer/start_trace.h"
#include "referrers.h"
#include "registry_proxy/manifest.h"
#include "site_images.h"

namespace samara::registry_proxy {
namespace {

using cache_index::Cache;
using cache_index::ImportedImage;
using cache_index::LayerRecord;

constexpr std::size_t kMostObjects = 9'000;  // that fit a pin
constexpr std::size_t kMostManifests = 512;
constexpr std::uint64_t kMaxConfigBytes = 8u << 20, kMaxReferrersBytes = 1u << 20;
constexpr std::uint64_t kWorkingPin = 24 * 3600;  // seconds

std::string working_pin(const std::string& name) { return str_cat("importing ", name); }

absl::Status bad(std::string_view what) { return absl::InvalidArgumentError(str_cat("the image can't be imported: ", what)); }

absl::StatusOr<std::string> object_text(const Cache& cache, const Digest& digest, std::uint64_t limit) {
  SAMARA_ASSIGN_OR_RETURN(const cache_index::ObjectFile object, cache.open_object(digest));
  if (object.size > limit) return bad(str_cat(digest.to_string(), " is too large"));
  std::string bytes(object.size, '\0');
  SAMARA_RETURN_IF_ERROR(pread_all(object.fd.get(), {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}, 0));
  return bytes;
}

std::uint64_t seconds_now(const Clock& clock) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(clock.wall_now().time_since_epoch()).count());
}

/// What the file calls an image, as this site calls it.
struct Name {
  Repository repository;
  Reference reference;
  std::string text() const { return str_cat(repository.to_string(), reference.digest ? "@" : ":", reference.to_string()); }
};

absl::StatusOr<Name> parse_name(Upstreams& upstreams, const std::string& text) {
  SAMARA_ASSIGN_OR_RETURN(const ImageName image, parse_image_name(text));
  Name name;
  SAMARA_ASSIGN_OR_RETURN(name.repository, upstreams.repository(image.registry, image.repository));
  name.reference = image.reference;
  if (upstreams.find(name.repository.registry).ok()) return name;
  return absl::FailedPreconditionError(str_cat("this site has no upstream \"", name.repository.registry,
                                               "\": name it in site.toml, although it can't be reached"));
}

}  // namespace

ImageImport::ImageImport(Cache& cache, Upstreams& upstreams, Manifests& manifests, References& references, Entitlements& entitlements,
                         StartTraces& traces, const Clock& clock)
    : cache_(cache),
      upstreams_(upstreams),
      manifests_(manifests),
      references_(references),
      entitlements_(entitlements),
      traces_(traces),
      clock_(clock) {}

absl::StatusOr<std::vector<ImageImport::Wanted>> ImageImport::offer(const std::string& text, const std::vector<Digest>& objects) {
  SAMARA_ASSIGN_OR_RETURN(const Name name, parse_name(upstreams_, text));
  if (objects.empty() || objects.size() > kMostObjects) return bad(str_cat("it has ", objects.size(), " objects"));
  SAMARA_RETURN_IF_ERROR(cache_.add_pin({.name = working_pin(name.text()),
                                         .reason = "samara import",
                                         .expires = seconds_now(clock_) + kWorkingPin,
                                         .members = objects}));
  std::vector<Wanted> wanted;
  for (const Digest& object : objects) {
    if (cache_.has_object(object)) continue;
    SAMARA_ASSIGN_OR_RETURN(const auto writer, cache_.create_object(object));
    wanted.push_back({object, writer->size()});
  }
  return wanted;
}

absl::StatusOr<std::unique_ptr<cache_index::ObjectWriter>> ImageImport::writer(const Digest& object) { return cache_.create_object(object); }

absl::Status ImageImport::publish(const ImportedImage& image) {
  SAMARA_ASSIGN_OR_RETURN(const Name name, parse_name(upstreams_, image.name));
  if (image.manifests.empty() || image.manifests.size() > kMostManifests) return bad(str_cat("it has ", image.manifests.size(), " manifests"));
  if (name.reference.digest && *name.reference.digest != image.manifests[0].digest) return bad("its name has another digest than its manifest");
  std::vector<StoredManifest> manifests;
  bool runs = false;
  for (const ImportedImage::NamedManifest& one : image.manifests) {
    if (!one.tag.empty() && !is_tag(one.tag)) return bad(str_cat("\"", one.tag, "\" isn't a tag"));
    SAMARA_ASSIGN_OR_RETURN(StoredManifest manifest, manifests_.read_imported(one.digest, one.media_type));
    if (is_convertible_image(manifest.parsed)) {
      SAMARA_RETURN_IF_ERROR(prove_layers(image, manifest));
      runs = true;
    }
    manifests.push_back(std::move(manifest));
  }
  if (!runs) return bad("nothing in it can be run");
  for (const ImportedImage::Referrers& list : image.referrers)
    if (list.list.size() > kMaxReferrersBytes || !is_index(list.list)) return bad("a list of referrers isn't one");
  SAMARA_RETURN_IF_ERROR(keep(image, name.repository, manifests));
  // The name comes last: from here on the image is there.
  SAMARA_RETURN_IF_ERROR(manifests_.name_imported(name.repository, name.reference, manifests[0]));
  SAMARA_RETURN_IF_ERROR(pin(image, name.repository, manifests[0].digest));
  const absl::Status unpinned = cache_.remove_pin(working_pin(name.text()));
  log::info("an image was imported", {{"image", name.text()}, {"manifest", manifests[0].digest.to_string()}});
  return absl::IsNotFound(unpinned) ? absl::OkStatus() : unpinned;
}

absl::Status ImageImport::prove_layers(const ImportedImage& image, const StoredManifest& manifest) {
  SAMARA_ASSIGN_OR_RETURN(const std::string config, object_text(cache_, manifest.parsed.config.digest, kMaxConfigBytes));
  SAMARA_ASSIGN_OR_RETURN(const std::vector<Digest> diff_ids, parse_diff_ids(config, manifest.parsed.layers.size()));
  for (std::size_t i = 0; i < diff_ids.size(); ++i) {
    const Digest& layer = manifest.parsed.layers[i].digest;
    const auto record = std::find_if(image.layers.begin(), image.layers.end(), [&](const LayerRecord& one) { return one.layer == layer; });
    if (record == image.layers.end()) return bad(str_cat("its layer ", layer.to_string(), " is missing"));
    LayerRecord sized = *record;
    sized.layer_size = manifest.parsed.layers[i].size;
    SAMARA_RETURN_IF_ERROR(annotate(prove(sized, diff_ids[i]), str_cat("layer ", layer.to_string())));
  }
  return absl::OkStatus();
}

// Also of a layer that is here already: that one was proved against its own config.
absl::Status ImageImport::prove(const LayerRecord& record, const Digest& diff_id) {
  if (const auto here = cache_.converted_layer(record.layer); here.ok()) {
    SAMARA_ASSIGN_OR_RETURN(const auto index, cache_index::IndexReader::open(cache_.object_path(here->index)));
    if (index->info().diff_id == diff_id) return absl::OkStatus();
    return bad("it is another layer than the one of that digest here");
  }
  SAMARA_RETURN_IF_ERROR(cache_.open_object(record.index).status());  // compares its digest
  SAMARA_ASSIGN_OR_RETURN(const auto index, cache_index::IndexReader::open(cache_.object_path(record.index)));
  if (index->info().diff_id != diff_id) return bad("its index is another layer's");
  if (index->info().blob != record.blob || index->info().blob_size != record.blob_size) return bad("its index is of another blob");
  SAMARA_ASSIGN_OR_RETURN(const cache_index::ObjectFile blob, cache_.open_object(record.blob));
  SAMARA_RETURN_IF_ERROR(cache_index::verify_layer(*index, cache_index::blob_file_source(blob.fd.get())));
  return cache_.adopt_layer(record);
}

absl::Status ImageImport::keep(const ImportedImage& image, const Repository& repository, const std::vector<StoredManifest>& manifests) {
  for (std::size_t i = 0; i < manifests.size(); ++i) {
    const StoredManifest& manifest = manifests[i];
    SAMARA_RETURN_IF_ERROR(manifests_.name_imported(repository, Reference{"", manifest.digest}, manifest));
    if (manifest.parsed.kind == Manifest::Kind::kImage) {
      SAMARA_RETURN_IF_ERROR(references_.note_given(repository, manifest.parsed.config.digest));
      for (const Descriptor& layer : manifest.parsed.layers) SAMARA_RETURN_IF_ERROR(references_.note_given(repository, layer.digest));
    }
    if (i > 0 && !image.manifests[i].tag.empty())
      SAMARA_RETURN_IF_ERROR(manifests_.name_imported(repository, Reference{image.manifests[i].tag, std::nullopt}, manifest));
  }
  for (const ImportedImage::Referrers& list : image.referrers) {
    const std::string key = str_cat(repository.to_string(), "@", list.subject.to_string(), " ");
    SAMARA_RETURN_IF_ERROR(cache_.store().write({{std::string(kReferrersTable), key, list.list}}));
  }
  for (const std::string& text : image.traces) {
    const auto trace = peer::decode_start_trace(text);
    if (!trace.ok() || trace->layers.empty()) return bad("a start trace isn't one");
    const Digest chain = peer::chain_id(trace->layers);
    if (traces_.find(chain).ok()) continue;  // what is known here counts more, and an import may come twice
    const absl::Status added = traces_.add(chain, *trace);
    if (!added.ok()) log::warning("a start trace isn't taken", {{"image", image.name}, {"error", added}});  // learned again
  }
  entitlements_.note_public(repository);
  return absl::OkStatus();
}

absl::Status ImageImport::pin(const ImportedImage& image, const Repository& repository, const Digest& root) {
  if (image.pin_seconds == 0 && !image.pin_for_good) return absl::OkStatus();
  Cache::Pin pin{.name = "", .reason = image.pin_reason, .expires = 0, .members = {}};
  if (!image.pin_for_good) pin.expires = seconds_now(clock_) + std::min<std::uint64_t>(image.pin_seconds, 100ull * 366 * 86'400);
  SiteImages names(cache_);
  SAMARA_ASSIGN_OR_RETURN(const auto images, names.images());
  for (const cache_index::ImageContents& one : images) {
    if (one.manifest != root || !one.name.starts_with(repository.to_string())) continue;
    pin.name = one.name;
    pin.members = one.members();
    SAMARA_RETURN_IF_ERROR(cache_.add_pin(pin));
  }
  return absl::OkStatus();
}

}  // namespace samara::registry_proxy
