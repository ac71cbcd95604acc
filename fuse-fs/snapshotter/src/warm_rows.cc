#include "warm_rows.h"

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"

namespace samara::snapshotter {
namespace {

std::string tag_key(std::string_view registry, std::string_view repository, std::string_view tag) {
  return str_cat(registry, "/", repository, ":", tag);
}

// "3.12" of "docker.io/library/python:3.12"; empty for a name with a digest; "latest" for one without either.
std::string tag_of(const peer::WarmImage& image) {
  if (image.name.find('@') != std::string::npos) return "";
  const std::size_t colon = image.name.rfind(':'), slash = image.name.rfind('/');
  const bool has_tag = colon != std::string::npos && (slash == std::string::npos || colon > slash);
  return has_tag ? image.name.substr(colon + 1) : "latest";
}

}  // namespace

std::vector<cache_index::Store::Change> warm_rows(const peer::WarmImage& image) {
  const std::string table(kWarmTable);
  std::vector<cache_index::Store::Change> rows;
  rows.push_back({table, image.digest.to_string(), image.media_type});
  rows.push_back({table, cache_index::sha256(as_bytes(image.config)).to_string(), std::string(kConfigType)});
  Digest named = image.digest;
  if (!image.index.empty()) {
    named = cache_index::sha256(as_bytes(image.index));
    rows.push_back({table, named.to_string(), image.index_media_type});
  }
  if (const std::string tag = tag_of(image); !tag.empty())
    rows.push_back({table, tag_key(image.registry, image.repository, tag), named.to_string()});
  return rows;
}

absl::StatusOr<Digest> warm_tag(const cache_index::Store& store, std::string_view registry, std::string_view repository,
                                std::string_view tag) {
  SAMARA_ASSIGN_OR_RETURN(const std::string row, store.get(kWarmTable, tag_key(registry, repository, tag)));
  return Digest::parse(row);
}

absl::StatusOr<std::string> warm_media_type(const cache_index::Store& store, const Digest& digest) {
  return store.get(kWarmTable, digest.to_string());
}

}  // namespace samara::snapshotter
