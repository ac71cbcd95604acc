#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "disk_cache.h"

/// Converted layers: publishing what LayerWriter wrote, and the records.
namespace samara::cache_index {
namespace {

absl::Status check_size(const std::string& path, std::uint64_t expected) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) return errno_status(errno, str_cat("stat ", path));
  if (static_cast<std::uint64_t>(st.st_size) == expected) return absl::OkStatus();
  return absl::DataLossError(str_cat(path, " has ", st.st_size, " bytes; the record says ", expected));
}

/// Rows of chunks in one batch of the database: the file of a large model has hundreds of thousands.
constexpr std::uint32_t kChunksAtOnce = 8192;

absl::StatusOr<std::vector<Store::Change>> chunk_rows(const IndexReader& index, std::uint32_t begin, std::uint64_t now) {
  const std::uint32_t end = begin + std::min(kChunksAtOnce, index.info().chunk_count - begin);
  std::vector<Store::Change> changes;
  changes.reserve(end - begin);
  for (std::uint32_t i = begin; i < end; ++i) {
    SAMARA_ASSIGN_OR_RETURN(const Chunk chunk, index.chunk(i));
    const ChunkRow row{.blob = index.info().blob,
                       .offset = chunk.blob_offset,
                       .frame_size = chunk.blob_size,
                       .stream_size = chunk.stream_size,
                       .last_use = now};
    changes.push_back({kChunksTable, chunk.digest.key(), encode(row)});
  }
  return changes;
}

}  // namespace

absl::Status DiskCache::publish_layer(const std::string& directory, const LayerRecord& record) {
  const std::string blob = str_cat(directory, "/blob"), index_path = str_cat(directory, "/index");
  SAMARA_RETURN_IF_ERROR(check_size(blob, record.blob_size));
  SAMARA_RETURN_IF_ERROR(check_size(index_path, record.index_size));
  SAMARA_ASSIGN_OR_RETURN(std::unique_ptr<IndexReader> index, IndexReader::open(index_path));
  if (index->info().blob != record.blob) {
    return absl::InvalidArgumentError(str_cat("the index of ", record.layer.to_string(), " names another blob"));
  }
  for (std::uint32_t i = 0; i < index->info().chunk_count; ++i) SAMARA_RETURN_IF_ERROR(index->chunk(i).status());
  space_.measure_rest();  // the layer's bytes are below incoming/ already
  SAMARA_RETURN_IF_ERROR(make_room(0));
  {
    const auto files = locks_.exclusive(record.blob, record.index);
    SAMARA_RETURN_IF_ERROR(move_into_place(record.blob, blob));
    SAMARA_RETURN_IF_ERROR(move_into_place(record.index, index_path));
    SAMARA_RETURN_IF_ERROR(write_layer_rows(*index, record));
  }
  index.reset();
  std::error_code error;
  std::filesystem::remove_all(directory, error);
  space_.measure_rest();
  if (error) return errno_status(error.value(), str_cat("remove ", directory));
  return absl::OkStatus();
}

absl::Status DiskCache::adopt_layer(const LayerRecord& record) {
  const auto files = locks_.exclusive(record.blob, record.index);
  if (!has_object(record.blob) || !has_object(record.index))
    return absl::NotFoundError(str_cat("layer ", record.layer.to_string(), ": its index or blob isn't here"));
  SAMARA_RETURN_IF_ERROR(check_size(object_path(record.blob), record.blob_size));
  SAMARA_RETURN_IF_ERROR(check_size(object_path(record.index), record.index_size));
  SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<IndexReader> index, IndexReader::open(object_path(record.index)));
  if (index->info().blob != record.blob)
    return absl::InvalidArgumentError(str_cat("the index of ", record.layer.to_string(), " names another blob"));
  return write_layer_rows(*index, record);
}

// The blob's own row first, as one of a partial blob: a crash between the batches leaves a blob of which some chunks are
// known, each of them truly. With the last batch the layer is there.
absl::Status DiskCache::write_layer_rows(const IndexReader& index, const LayerRecord& record) {
  {
    const std::lock_guard rows(rows_);
    const ObjectRow partial{.kind = ObjectRow::Kind::kBlob, .last_use = now()};
    SAMARA_RETURN_IF_ERROR(store_->write({{kObjectsTable, record.blob.key(), encode(partial)}}));
  }
  for (std::uint32_t i = 0; i < index.info().chunk_count; i += kChunksAtOnce) {
    SAMARA_ASSIGN_OR_RETURN(const std::vector<Store::Change> chunks, chunk_rows(index, i, now()));
    const std::lock_guard rows(rows_);
    SAMARA_RETURN_IF_ERROR(store_->write(chunks));
  }
  const ObjectRow blob{.kind = ObjectRow::Kind::kBlob, .complete = true, .size = record.blob_size, .last_use = now()};
  const ObjectRow whole_index{
      .kind = ObjectRow::Kind::kObject, .complete = true, .size = record.index_size, .last_use = now()};
  {
    const std::lock_guard rows(rows_);
    SAMARA_RETURN_IF_ERROR(store_->write({{kObjectsTable, record.blob.key(), encode(blob)},
                                          {kObjectsTable, record.index.key(), encode(whole_index)},
                                          {kLayersTable, record.layer.key(), encode(record)}}));
  }
  const std::lock_guard lock(mutex_);
  leaving_.erase(record.blob);
  written_elsewhere_.erase(record.blob);
  return absl::OkStatus();
}

absl::StatusOr<LayerRecord> DiskCache::layer(const Digest& layer) const {
  const absl::StatusOr<std::string> row = store_->get(kLayersTable, layer.key());
  if (absl::IsNotFound(row.status())) return absl::NotFoundError(str_cat("no record of layer ", layer.to_string()));
  SAMARA_RETURN_IF_ERROR(row.status());
  return decode_layer_record(layer.key(), *row);
}

absl::StatusOr<LayerRecord> DiskCache::converted_layer(const Digest& layer) const {
  SAMARA_ASSIGN_OR_RETURN(const LayerRecord record, this->layer(layer));
  if (has_object(record.index) && has_object(record.blob)) return record;
  return absl::NotFoundError(str_cat("layer ", layer.to_string(), " was converted, but isn't here any more"));
}

absl::Status DiskCache::put_layer(const LayerRecord& record) {
  return store_->write({{kLayersTable, record.layer.key(), encode(record)}});
}

absl::StatusOr<std::vector<LayerRecord>> DiskCache::layers() const {
  std::vector<LayerRecord> records;
  SAMARA_RETURN_IF_ERROR(store_->scan(kLayersTable, "", [&](std::string_view key, std::string_view row) {
    absl::StatusOr<LayerRecord> record = decode_layer_record(key, row);
    if (record.ok()) records.push_back(*std::move(record));
    else log::warning("a damaged record of a layer; samara fsck --mend removes it", {{"error", record.status()}});
    return true;
  }));
  return records;
}

}  // namespace samara::cache_index
