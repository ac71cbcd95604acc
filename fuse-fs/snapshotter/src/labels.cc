#include "snapshotter/labels.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "base/file.h"
#include "base/text.h"
#include "cache_index/hasher.h"

namespace samara::snapshotter {
namespace {

constexpr std::string_view kPrefix = "containerd.io/snapshot/";
constexpr std::size_t kMaxReference = 4096;
constexpr std::size_t kMaxFollowing = 512;

// The first of these labels that is there; empty when none is.
std::string_view first_label(const Labels& labels, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const auto found = labels.find(str_cat(kPrefix, name));
    if (found != labels.end() && !found->second.empty()) return found->second;
  }
  return "";
}

std::optional<Digest> parse_digest(std::string_view text) {
  absl::StatusOr<Digest> digest = Digest::parse(text);
  if (!digest.ok()) return std::nullopt;
  return *digest;
}

// A comma list; the label may be cut short, so that its last digest is none.
std::vector<Digest> parse_digests(std::string_view list) {
  std::vector<Digest> digests;
  while (!list.empty() && digests.size() < kMaxFollowing) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (const auto digest = parse_digest(list.substr(0, comma))) digests.push_back(*digest);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return digests;
}

bool is_registry(std::string_view part) {
  return part == "localhost" || part.find_first_of(".:") != std::string_view::npos;
}

// Drops "@digest" and ":tag" (a colon after the last slash).
std::string_view without_tag(std::string_view reference) {
  reference = reference.substr(0, reference.find('@'));
  const std::size_t colon = reference.rfind(':');
  const std::size_t slash = reference.rfind('/');
  if (colon == std::string_view::npos || (slash != std::string_view::npos && colon < slash)) return reference;
  return reference.substr(0, colon);
}

}  // namespace

std::optional<ImageName> parse_image_name(std::string_view reference) {
  if (reference.empty() || reference.size() > kMaxReference) return std::nullopt;
  if (std::any_of(reference.begin(), reference.end(), [](unsigned char c) { return c <= ' ' || c >= 0x7f; })) {
    return std::nullopt;
  }
  ImageName name{"docker.io", ""};
  const std::size_t slash = reference.find('/');
  if (slash != std::string_view::npos && is_registry(reference.substr(0, slash))) {
    name.registry = std::string(reference.substr(0, slash));
    reference.remove_prefix(slash + 1);
  }
  name.repository = std::string(without_tag(reference));
  if (name.registry == "docker.io" && name.repository.find('/') == std::string::npos) {
    name.repository.insert(0, "library/");
  }
  if (name.repository.empty() || name.repository.back() == '/' || name.repository.front() == '/') return std::nullopt;
  return name;
}

std::optional<LayerRequest> parse_layer_request(const Labels& labels) {
  const auto target = labels.find(std::string(kSnapshotRefLabel));
  if (target == labels.end()) return std::nullopt;
  const auto chain = parse_digest(target->second);
  const auto layer = parse_digest(first_label(labels, {"cri.layer-digest", "remote/stargz.digest"}));
  if (!chain || !layer) return std::nullopt;
  LayerRequest request;
  request.target = target->second;
  request.chain_id = *chain;
  request.layer = *layer;
  const std::string_view image = first_label(labels, {"cri.image-ref", "remote/stargz.reference"});
  if (const auto name = parse_image_name(image)) {
    request.image_ref = std::string(image);
    request.image = *name;
  }
  request.following = parse_digests(first_label(labels, {"cri.image-layers", "remote/stargz.layers"}));
  return request;
}

absl::StatusOr<std::uint32_t> id_on_host(std::string_view list, std::uint32_t id) {
  std::optional<std::uint32_t> found;
  while (true) {
    const std::string_view entry = list.substr(0, list.find(','));
    std::uint32_t inside = 0, outside = 0, count = 0;
    const char* at = entry.data();
    const char* const end = at + entry.size();
    for (std::uint32_t* const number : {&inside, &outside, &count}) {
      if (number != &inside && (at == end || *at++ != ':')) return absl::InvalidArgumentError("not a list of id mappings");
      const auto [after, error] = std::from_chars(at, end, *number);
      if (error != std::errc()) return absl::InvalidArgumentError("not a list of id mappings");
      at = after;
    }
    if (at != end || count > UINT32_MAX - outside) return absl::InvalidArgumentError("not a list of id mappings");
    if (!found && id >= inside && id - inside < count) found = outside + (id - inside);
    if (entry.size() == list.size()) break;
    list.remove_prefix(entry.size() + 1);
  }
  if (!found) return absl::NotFoundError(str_cat("id ", id, " isn't mapped"));
  return *found;
}

absl::StatusOr<std::optional<IdMapping>> parse_id_mapping(const Labels& labels) {
  IdMapping mapping{std::string(first_label(labels, {"uidmapping"})), std::string(first_label(labels, {"gidmapping"}))};
  if (mapping.uids.empty() || mapping.gids.empty()) return std::nullopt;
  for (const std::string& list : {mapping.uids, mapping.gids}) {
    if (!id_on_host(list, 0).ok()) {
      return absl::InvalidArgumentError(str_cat("\"", list, "\" maps no root; \"0:100000:65536\" does"));
    }
  }
  return mapping;
}

std::optional<Digest> chain_id_of(const Info& info) {
  const auto label = info.labels.find(std::string(kSnapshotRefLabel));
  if (label != info.labels.end()) return parse_digest(label->second);
  const std::size_t slash = info.name.rfind('/');
  return parse_digest(std::string_view(info.name).substr(slash == std::string::npos ? 0 : slash + 1));
}

}  // namespace samara::snapshotter
