#include "convert/converter.h"

#include <utility>

#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "decompress.h"
#include "hashing_stream.h"
#include "layer_sink.h"
#include "read_ahead.h"
#include "tar_reader.h"

namespace samara::convert {
namespace {

struct Tar {
  cache_index::LayerTree tree;
  Digest diff_id;
  std::uint64_t size = 0;
};

/// Reads the whole tar into `writer`. Its hash is taken here only when nobody said what it should be: the writer
/// compares the tar that it can give back with the digest that it gets, which proves both at once.
absl::StatusOr<Tar> read_tar(ReadAhead& input, const std::optional<Digest>& expected_diff_id,
                             cache_index::LayerWriter& writer, Progress& progress) {
  LayerSink sink(writer);
  TarReader reader(sink);
  cache_index::Hasher hasher;
  while (true) {
    SAMARA_ASSIGN_OR_RETURN(const std::span<const std::uint8_t> bytes, input.next());
    if (bytes.empty()) break;
    if (!expected_diff_id) hasher.update(bytes);
    SAMARA_RETURN_IF_ERROR(reader.push(bytes));
    progress.tar_bytes.store(reader.tar_size(), std::memory_order_relaxed);
  }
  SAMARA_RETURN_IF_ERROR(reader.finish());
  return Tar{.tree = sink.take_tree(),
             .diff_id = expected_diff_id ? *expected_diff_id : hasher.finish(),
             .size = reader.tar_size()};
}

}  // namespace

absl::StatusOr<ConvertedLayer> convert_layer(ByteStream& input, const std::string& directory,
                                             const std::optional<Digest>& expected_diff_id, ThreadPool& pool,
                                             Progress* progress, const cache_index::KnownFrames* known) {
  Progress unwatched;
  Progress& watched = progress != nullptr ? *progress : unwatched;
  SAMARA_ASSIGN_OR_RETURN(const auto writer, cache_index::LayerWriter::create(directory, pool, known));

  HashingStream compressed(input, watched.compressed_bytes);
  ReadAhead ahead([&compressed] { return decompress(compressed); });
  SAMARA_ASSIGN_OR_RETURN(const Tar tar, read_tar(ahead, expected_diff_id, *writer, watched));
  // The inner thread has ended with the stream, so that the hash is ours now.
  ConvertedLayer converted;
  SAMARA_ASSIGN_OR_RETURN(converted.written, writer->finish(tar.tree, tar.diff_id, tar.size));
  converted.layer = compressed.finish();
  converted.layer_size = compressed.size();
  return converted;
}

}  // namespace samara::convert
