#include "metadata_rows.h"

#include "base/status.h"
#include "base/text.h"
#include "state.pb.h"

namespace samara::snapshotter {
namespace {

absl::Status damaged(std::string_view what, std::string_view key) {
  return absl::DataLossError(str_cat("the row of ", what, " ", key, " can't be read"));
}

}  // namespace

std::string encode_snapshot(const Snapshot& snapshot) {
  state::SnapshotRow row;
  row.set_id(snapshot.id);
  row.set_kind(static_cast<std::uint32_t>(snapshot.info.kind));
  row.set_parent(snapshot.info.parent);
  row.set_created_ns(snapshot.info.created_ns);
  row.set_updated_ns(snapshot.info.updated_ns);
  row.mutable_labels()->insert(snapshot.info.labels.begin(), snapshot.info.labels.end());
  if (snapshot.slot) row.set_slot(*snapshot.slot);
  return row.SerializeAsString();
}

absl::StatusOr<Snapshot> decode_snapshot(std::string_view name, std::string_view bytes) {
  state::SnapshotRow row;
  const bool parsed = row.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  if (!parsed || row.kind() < 1 || row.kind() > 3 || row.id() == 0) return damaged("snapshot", name);
  Snapshot snapshot;
  snapshot.info.name = std::string(name);
  snapshot.info.parent = row.parent();
  snapshot.info.kind = static_cast<Kind>(row.kind());
  snapshot.info.created_ns = row.created_ns();
  snapshot.info.updated_ns = row.updated_ns();
  snapshot.info.labels.insert(row.labels().begin(), row.labels().end());
  snapshot.id = row.id();
  if (row.has_slot()) snapshot.slot = row.slot();
  return snapshot;
}

std::string slot_key(std::uint32_t slot) {
  std::string key;
  for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(slot >> shift));
  return key;
}

std::string encode_lazy_layer(const LazyLayer& layer) {
  state::LazyLayerRow row;
  row.set_layer(layer.layer.key());
  row.set_index(layer.index.key());
  row.set_index_size(layer.index_size);
  row.set_image_ref(layer.image_ref);
  return row.SerializeAsString();
}

absl::StatusOr<LazyLayer> decode_lazy_layer(std::string_view key, std::string_view bytes) {
  state::LazyLayerRow row;
  if (key.size() != 4 || !row.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return damaged("a lazy layer", "");
  }
  LazyLayer layer;
  for (const char byte : key) layer.slot = layer.slot << 8 | static_cast<std::uint8_t>(byte);
  SAMARA_ASSIGN_OR_RETURN(layer.layer, Digest::from_key(row.layer()));
  SAMARA_ASSIGN_OR_RETURN(layer.index, Digest::from_key(row.index()));
  layer.index_size = row.index_size();
  layer.image_ref = row.image_ref();
  return layer;
}

}  // namespace samara::snapshotter
