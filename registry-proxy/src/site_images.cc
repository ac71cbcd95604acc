#include "site_images.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "json.h"
#include "registry_proxy/manifest.h"
#include "registry_proxy/manifests.h"
#include "registry_proxy/references.h"

namespace samara::registry_proxy {
namespace {

using cache_index::Cache;
using cache_index::ImageContents;

constexpr int kDeepestIndex = 3;

absl::StatusOr<std::string> stored_bytes(const Cache& cache, const Digest& digest) {
  SAMARA_ASSIGN_OR_RETURN(const cache_index::ObjectFile object, cache.open_object(digest));
  if (object.size > kMaxManifestBytes) return absl::DataLossError("a stored manifest is too large");
  std::string bytes(object.size, '\0');
  SAMARA_RETURN_IF_ERROR(pread_all(object.fd.get(), {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}, 0));
  return bytes;
}

/// The manifests that an index names. parse_manifest() leaves them out: a mirror has no use for them.
std::vector<Digest> nested_manifests(const Cache& cache, std::string_view index) {
  std::vector<Digest> nested;
  const auto json = parse_json(index);
  const auto* manifests = json ? json_member(*json, "manifests") : nullptr;
  if (manifests == nullptr || !manifests->is_array()) return nested;
  for (const auto& manifest : *manifests) {
    const auto digest = Digest::parse(json_text(manifest, "digest").value_or(""));
    if (digest.ok() && cache.has_object(*digest)) nested.push_back(*digest);
  }
  return nested;
}

void add_with_contents(Cache& cache, const Digest& digest, int depth, ImageContents& image) {
  image.objects.push_back(digest);
  const auto media_type = cache.store().get("manifests", digest.key());
  const auto bytes = media_type.ok() ? stored_bytes(cache, digest) : media_type.status();
  const auto manifest = bytes.ok() ? parse_manifest(*bytes, *media_type) : bytes.status();
  if (!manifest.ok() || depth >= kDeepestIndex) return;
  if (manifest->kind == Manifest::Kind::kIndex)
    for (const Digest& nested : nested_manifests(cache, *bytes)) add_with_contents(cache, nested, depth + 1, image);
  if (manifest->kind != Manifest::Kind::kImage) return;
  image.objects.push_back(manifest->config.digest);
  std::vector<Digest>& layers = is_convertible_image(*manifest) ? image.layers : image.objects;
  for (const Descriptor& layer : manifest->layers) layers.push_back(layer.digest);
}

/// "sha256:<hex>" of cosign's tag "sha256-<hex>.sig", and of the referrers tag "sha256-<hex>"; empty for other tags.
std::string subject_of_tag(std::string_view tag) {
  constexpr std::string_view kPrefix = "sha256-";
  constexpr std::size_t kHex = 64;
  if (!tag.starts_with(kPrefix) || tag.size() < kPrefix.size() + kHex) return "";
  const auto digest = Digest::parse(str_cat("sha256:", tag.substr(kPrefix.size(), kHex)));
  return digest.ok() ? digest->to_string() : "";
}

}  // namespace

/// What was said about manifests elsewhere: "<repository>@<digest>" -> manifests.
class SiteImages::Attachments {
 public:
  static absl::StatusOr<Attachments> load(Cache& cache) {
    Attachments all;
    SAMARA_RETURN_IF_ERROR(cache.store().scan("tags", "", [&](std::string_view key, std::string_view row) {
      const std::size_t colon = key.rfind(':');
      if (colon == key.npos) return true;
      const std::string subject = subject_of_tag(key.substr(colon + 1));
      const auto digest = Digest::parse(row.substr(0, row.find(' ')));
      if (!subject.empty() && digest.ok()) all.of_[str_cat(key.substr(0, colon), "@", subject)].push_back(*digest);
      return true;
    }));
    SAMARA_RETURN_IF_ERROR(cache.store().scan(kReferrersTable, "", [&](std::string_view key, std::string_view list) {
      const std::string subject(key.substr(0, key.find(' ')));
      for (const Digest& manifest : nested_manifests(cache, list)) all.of_[subject].push_back(manifest);
      return true;
    }));
    return all;
  }
  void add_to(Cache& cache, std::string_view repository, ImageContents& image) const {
    ImageContents attached;
    for (const Digest& object : image.objects) {
      const auto found = of_.find(str_cat(repository, "@", object.to_string()));
      if (found == of_.end()) continue;
      for (const Digest& manifest : found->second) add_with_contents(cache, manifest, 0, attached);
    }
    image.objects.insert(image.objects.end(), attached.objects.begin(), attached.objects.end());
    image.objects.insert(image.objects.end(), attached.layers.begin(), attached.layers.end());
  }

 private:
  std::map<std::string, std::vector<Digest>> of_;
};

ImageContents SiteImages::contents_of(const Digest& manifest) const {
  ImageContents image;
  image.manifest = manifest;
  add_with_contents(cache_, manifest, 0, image);
  return image;
}

absl::StatusOr<std::vector<ImageContents>> SiteImages::images() const {
  SAMARA_ASSIGN_OR_RETURN(const Attachments attachments, Attachments::load(cache_));
  std::vector<std::pair<std::string, Digest>> tags;
  SAMARA_RETURN_IF_ERROR(cache_.store().scan("tags", "", [&](std::string_view key, std::string_view row) {
    const std::size_t colon = key.rfind(':');
    const auto digest = Digest::parse(row.substr(0, row.find(' ')));
    if (colon != key.npos && digest.ok() && subject_of_tag(key.substr(colon + 1)).empty()) tags.emplace_back(key, *digest);
    return true;
  }));
  std::vector<ImageContents> images;
  for (const auto& [name, digest] : tags) {
    ImageContents image = contents_of(digest);
    image.name = name;
    attachments.add_to(cache_, std::string_view(name).substr(0, name.rfind(':')), image);
    images.push_back(std::move(image));
  }
  SAMARA_ASSIGN_OR_RETURN(std::vector<ImageContents> others, untagged(images));
  for (ImageContents& image : others) {
    attachments.add_to(cache_, std::string_view(image.name).substr(0, image.name.find('@')), image);
    images.push_back(std::move(image));
  }
  return images;
}

absl::StatusOr<std::vector<ImageContents>> SiteImages::untagged(const std::vector<ImageContents>& tagged) const {
  std::set<Digest> named, nested, loose;
  for (const ImageContents& image : tagged) named.insert(image.objects.begin(), image.objects.end());
  SAMARA_RETURN_IF_ERROR(cache_.store().scan("tags", "", [&](std::string_view, std::string_view row) {
    if (const auto digest = Digest::parse(row.substr(0, row.find(' '))); digest.ok()) named.insert(*digest);  // signatures
    return true;
  }));
  SAMARA_RETURN_IF_ERROR(cache_.store().scan("manifests", "", [&](std::string_view key, std::string_view) {
    const auto digest = Digest::from_key(key);
    if (digest.ok() && !named.contains(*digest) && cache_.has_object(*digest)) loose.insert(*digest);
    return true;
  }));
  std::vector<ImageContents> images;
  SAMARA_ASSIGN_OR_RETURN(const auto repositories, References(cache_.store()).repositories_of(loose));
  for (const auto& [digest, repository] : repositories) {
    images.push_back(contents_of(digest));
    images.back().name = str_cat(repository, "@", digest.to_string());
    nested.insert(images.back().objects.begin() + 1, images.back().objects.end());
  }
  // Of an index, and what can't be run: a signature that somebody asked for.
  std::erase_if(images, [&](const ImageContents& image) { return nested.contains(image.manifest) || image.layers.empty(); });
  return images;
}

absl::Status SiteImages::forget(const std::string& name) {
  const std::size_t at = name.find('@');
  if (at == name.npos) return cache_.store().write({{"tags", name, std::nullopt}});
  SAMARA_ASSIGN_OR_RETURN(const Digest digest, Digest::parse(std::string_view(name).substr(at + 1)));
  return cache_.store().write({{"manifests", digest.key(), std::nullopt}});
}

}  // namespace samara::registry_proxy
