#include "snapshotter/node_images.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "warm_rows.h"

namespace samara::snapshotter {
namespace {

using cache_index::ImageContents;
using Changes = std::vector<cache_index::Store::Change>;

constexpr std::string_view kTable = "node_images";
constexpr std::string_view kLayer = "layer ";
constexpr std::size_t kLongestName = 1024;

std::string key(std::string_view name, const Digest& digest) { return str_cat(name, " ", digest.to_string()); }
std::string layer_row(std::size_t above) { return str_cat(kLayer, above); }

void put(Changes& changes, std::string_view name, const Digest& digest, std::string value) {
  changes.push_back({std::string(kTable), key(name, digest), std::move(value)});
}

/// How many layers lie above it; nullopt: the row isn't a layer's.
std::optional<std::size_t> layers_above(std::string_view row) {
  if (!row.starts_with(kLayer)) return std::nullopt;
  row.remove_prefix(kLayer.size());
  std::size_t above = 0;
  const auto [end, error] = std::from_chars(row.data(), row.data() + row.size(), above);
  if (error != std::errc() || end != row.data() + row.size()) return std::nullopt;
  return above;
}

// No space, since that ends a name in its key; nothing that isn't shown as it is.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kLongestName && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

/// Drops all that is noted of an image.
absl::Status drop_rows(const cache_index::Store& store, std::string_view name, Changes& changes) {
  return store.scan(kTable, str_cat(name, " "), [&](std::string_view row_key, std::string_view) {
    changes.push_back({std::string(kTable), std::string(row_key), std::nullopt});
    return true;
  });
}

/// An image while its rows are read.
struct Gathered {
  ImageContents image;
  std::vector<std::pair<std::size_t, Digest>> layers;  // with how many lie above
};

}  // namespace

std::vector<std::string> NodeImages::tables() { return {std::string(kTable)}; }

// Where an image of that name was here before, what stood at the places of these layers goes, and so does its manifest.
void NodeImages::note_pulled(const LayerRequest& request) {
  const std::string& name = request.image_ref;
  if (!is_name(name) || store_.get(kTable, key(name, request.layer)).ok()) return;
  const std::size_t above = request.following.size();
  Changes changes;
  absl::Status status = store_.scan(kTable, name + " ", [&](std::string_view row_key, std::string_view row) {
    const auto old = layers_above(row);
    if (!old || *old <= above) changes.push_back({std::string(kTable), std::string(row_key), std::nullopt});
    return true;
  });
  put(changes, name, request.layer, layer_row(above));
  for (std::size_t i = 0; i < above; ++i) put(changes, name, request.following[i], layer_row(above - 1 - i));
  if (status.ok()) status = store_.write(changes);
  if (!status.ok()) log::warning("an image can't be noted", {{"image", name}, {"error", status}});  // it isn't listed
}

absl::Status NodeImages::note_warmed(const peer::WarmImage& image) {
  if (!is_name(image.name)) return absl::OkStatus();
  Changes changes;
  SAMARA_RETURN_IF_ERROR(drop_rows(store_, image.name, changes));
  put(changes, image.name, image.digest, "manifest");
  put(changes, image.name, cache_index::sha256(as_bytes(image.config)), "config");
  if (!image.index.empty()) put(changes, image.name, cache_index::sha256(as_bytes(image.index)), "index");
  for (std::size_t i = 0; i < image.layers.size(); ++i)
    put(changes, image.name, image.layers[i].record.layer, layer_row(image.layers.size() - 1 - i));
  return store_.write(changes);
}

absl::StatusOr<std::vector<ImageContents>> NodeImages::images() const {
  std::map<std::string, Gathered, std::less<>> gathered;
  SAMARA_RETURN_IF_ERROR(store_.scan(kTable, "", [&](std::string_view row_key, std::string_view row) {
    const std::size_t space = row_key.find(' ');
    const auto digest = space == row_key.npos ? absl::DataLossError("") : Digest::parse(row_key.substr(space + 1));
    if (!digest.ok()) return true;  // of a later version
    Gathered& image = gathered[std::string(row_key.substr(0, space))];
    if (const auto above = layers_above(row)) {
      image.layers.emplace_back(*above, *digest);
    } else {
      image.image.objects.push_back(*digest);
      if (row == "manifest") image.image.manifest = *digest;
    }
    return true;
  }));
  const std::set<Digest> mounted = mounted_ ? mounted_() : std::set<Digest>();
  std::vector<ImageContents> images;
  for (auto& [name, found] : gathered) {
    std::stable_sort(found.layers.begin(), found.layers.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [above, layer] : found.layers) found.image.layers.push_back(layer);
    const bool all = !found.layers.empty() && std::all_of(found.layers.begin(), found.layers.end(),
                                                          [&](const auto& layer) { return mounted.contains(layer.second); });
    if (all) found.image.in_use = "snapshots of containerd";
    found.image.name = name;
    images.push_back(std::move(found.image));
  }
  return images;
}

absl::Status NodeImages::forget(const std::string& name) {
  Changes changes;
  SAMARA_RETURN_IF_ERROR(drop_rows(store_, name, changes));
  // A warmed image's tag has its name for a key.
  if (store_.get(kWarmTable, name).ok()) changes.push_back({std::string(kWarmTable), name, std::nullopt});
  return changes.empty() ? absl::OkStatus() : store_.write(changes);
}

}  // namespace samara::snapshotter
