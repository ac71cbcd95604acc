#include "peer/layer_origins.h"

#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/log.h"
#include "base/text.h"

namespace samara::peer {
namespace {

constexpr char kTable[] = "layer_origins";
constexpr std::size_t kMostName = 1024;  // of what is kept of a registry or a repository

bool is_word(const std::string& name) {
  return !name.empty() && name.size() <= kMostName && name.find_first_of(" \n") == std::string::npos;
}

std::optional<LayerOrigins::Origin> decode(std::string_view row) {
  const std::vector<std::string> words = absl::StrSplit(to_absl(row), ' ');
  if (words.size() != 4) return std::nullopt;
  const absl::StatusOr<Digest> layer = Digest::parse(words[0]);
  LayerOrigins::Origin origin{.layer = {}, .registry = words[1], .repository = words[2], .size = 0};
  if (!layer.ok() || !absl::SimpleAtoi(words[3], &origin.size)) return std::nullopt;
  origin.layer = *layer;
  return origin;
}

}  // namespace

std::vector<std::string> LayerOrigins::tables() { return {kTable}; }

LayerOrigins::LayerOrigins(cache_index::Cache& cache) : cache_(cache) { drop_old(); }

void LayerOrigins::note(const cache_index::LayerRecord& record, const std::string& registry, const std::string& repository) {
  if (!is_word(registry) || !is_word(repository)) return;
  const std::string row = str_cat(record.layer.to_string(), " ", registry, " ", repository, " ", record.layer_size);
  // Several layers may make the same blob; the one that was noted last will do.
  const absl::StatusOr<std::string> known = cache_.store().get(kTable, record.blob.key());
  if (known.ok() && *known == row) return;
  const absl::Status kept = cache_.store().write({{kTable, record.index.key(), row}, {kTable, record.blob.key(), row}});
  if (!kept.ok()) log::warning("a layer's origin can't be kept", {{"layer", record.layer.brief()}, {"error", kept}});
}

std::optional<LayerOrigins::Origin> LayerOrigins::of(const Digest& object) const {
  const absl::StatusOr<std::string> row = cache_.store().get(kTable, object.key());
  return row.ok() ? decode(*row) : std::nullopt;
}

void LayerOrigins::drop_old() {
  const auto layers = cache_.layers();
  if (!layers.ok()) return;
  std::set<Digest> known;
  for (const cache_index::LayerRecord& record : *layers) known.insert(record.layer);
  std::vector<cache_index::Store::Change> old;
  absl::Status dropped = cache_.store().scan(kTable, "", [&](std::string_view key, std::string_view row) {
    const std::optional<Origin> origin = decode(row);
    if (!origin || !known.contains(origin->layer)) old.push_back({kTable, std::string(key), std::nullopt});
    return true;
  });
  if (dropped.ok() && !old.empty()) dropped = cache_.store().write(old);
  if (!dropped.ok()) log::warning("origins of layers that went stay", {{"error", dropped}});
}

}  // namespace samara::peer
