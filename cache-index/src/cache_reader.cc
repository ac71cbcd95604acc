#include "cache_index/cache_reader.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_check.h"
#include "cache_index/frame.h"
#include "cache_paths.h"
#include "cache_rows.h"

namespace samara::cache_index {

absl::StatusOr<std::unique_ptr<CacheReader>> CacheReader::open(const std::string& root) {
  struct stat st;
  if (::stat(str_cat(root, "/db/CURRENT").c_str(), &st) != 0) return absl::NotFoundError(str_cat(root, " holds no cache"));
  SAMARA_ASSIGN_OR_RETURN(std::unique_ptr<Store> rows, Store::open_read_only(str_cat(root, "/db")));
  SAMARA_RETURN_IF_ERROR(check_format(*rows, root, OlderFormat::kRefuse));
  return std::unique_ptr<CacheReader>(new CacheReader(root, std::move(rows)));
}

absl::StatusOr<LayerRecord> CacheReader::layer(const Digest& layer) const {
  const absl::StatusOr<std::string> row = rows_->get(kLayersTable, layer.key());
  if (absl::IsNotFound(row.status())) return absl::NotFoundError(str_cat("no record of layer ", layer.to_string()));
  SAMARA_RETURN_IF_ERROR(row.status());
  return decode_layer_record(layer.key(), *row);
}

absl::StatusOr<std::vector<LayerRecord>> CacheReader::layers() const {
  std::vector<LayerRecord> records;
  SAMARA_RETURN_IF_ERROR(rows_->scan(kLayersTable, "", [&](std::string_view key, std::string_view row) {
    if (absl::StatusOr<LayerRecord> record = decode_layer_record(key, row); record.ok()) records.push_back(*record);
    return true;  // a damaged one is samara fsck's
  }));
  return records;
}

absl::StatusOr<std::unique_ptr<IndexReader>> CacheReader::index(const LayerRecord& record) const {
  const std::string path = object_path_in(root_, record.index);
  const absl::StatusOr<Fd> file = open_file(path, O_RDONLY);
  if (absl::IsNotFound(file.status())) {
    return absl::NotFoundError(str_cat("the index of layer ", record.layer.to_string(), " isn't here"));
  }
  SAMARA_RETURN_IF_ERROR(file.status());
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t size, file_size(file->get()));
  SAMARA_RETURN_IF_ERROR(check_file(record.index, file->get(), size));
  return IndexReader::open(path);
}

ChunkSource CacheReader::chunks() const {
  return [this](const Chunk& chunk) { return read_chunk(chunk); };
}

absl::StatusOr<std::string> CacheReader::read_chunk(const Chunk& chunk) const {
  const absl::StatusOr<std::string> text = rows_->get(kChunksTable, chunk.digest.key());
  if (absl::IsNotFound(text.status())) return absl::NotFoundError(str_cat("chunk ", chunk.digest.brief(), " isn't here"));
  SAMARA_RETURN_IF_ERROR(text.status());
  SAMARA_ASSIGN_OR_RETURN(const ChunkRow row, decode_chunk_row(*text));
  SAMARA_ASSIGN_OR_RETURN(const Fd file, open_file(object_path_in(root_, row.blob), O_RDONLY));
  std::vector<std::uint8_t> frame(row.frame_size);
  SAMARA_RETURN_IF_ERROR(pread_all(file.get(), frame, row.offset));
  Chunk stored = chunk;  // another blob's frame of the same bytes may have another size
  stored.blob_size = row.frame_size;
  return open_frame(stored, frame);
}

}  // namespace samara::cache_index
