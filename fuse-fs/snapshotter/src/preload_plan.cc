#include "snapshotter/preload_plan.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "snapshotter/layer_paths.h"

namespace samara::snapshotter {
namespace {

constexpr std::uint64_t kPage = 4096;

constexpr std::uint64_t page_begin(std::uint64_t offset) { return offset / kPage * kPage; }
constexpr std::uint64_t page_end(std::uint64_t offset) { return (offset + kPage - 1) / kPage * kPage; }

}  // namespace

PreloadPlan::PreloadPlan(const std::vector<MountedLayer>& layers, const peer::StartTrace& trace) {
  const std::set<Chunk> read(trace.chunks.begin(), trace.chunks.end());
  std::map<Digest, std::set<std::uint32_t>> wanted;
  for (const auto& [layer, inode] : trace.files) wanted[layer].insert(inode);
  std::map<Digest, std::pair<const MountedLayer*, std::map<std::uint32_t, std::string>>> found;
  for (const MountedLayer& layer : layers) {
    const Digest& diff_id = layer.index->info().diff_id;
    if (wanted.contains(diff_id)) found[diff_id] = {&layer, paths_of(*layer.index, wanted[diff_id])};
  }
  for (const auto& [diff_id, inode] : trace.files) {
    const auto layer = found.find(diff_id);
    if (layer != found.end()) add(*layer->second.first, layer->second.second, inode, read);
  }
}

void PreloadPlan::add(const MountedLayer& layer, const std::map<std::uint32_t, std::string>& paths,
                      std::uint32_t number, const std::set<Chunk>& read) {
  const auto path = paths.find(number);
  const auto inode = layer.index->inode(number);
  if (path == paths.end() || !inode.ok()) return;
  bool has_pages = false;
  if (S_ISREG(inode->mode) && inode->size > 0) {
    const auto first = layer.index->chunk_at(inode->data_offset);
    const auto last = layer.index->chunk_at(inode->data_offset + inode->size - 1);
    if (!first.ok() || !last.ok() || *last < *first) return;
    const Digest& diff_id = layer.index->info().diff_id;
    const auto begin = read.lower_bound({diff_id, *first}), end = read.upper_bound({diff_id, *last});
    for (auto chunk = begin; chunk != end; ++chunk) in_chunk_[*chunk].push_back(files_.size());
    has_pages = begin != end;
  }
  if (has_pages) {
    files_.push_back({layer.path, path->second.substr(1), layer.index, inode->data_offset, inode->size});
  } else {
    names_.push_back({layer.path, path->second.substr(1), 0, 0});
  }
}

std::vector<PreloadPlan::Load> PreloadPlan::arrived(const Chunk& chunk) {
  here_.insert(chunk);
  const auto files = in_chunk_.find(chunk);
  if (files == in_chunk_.end()) return {};
  const auto& [layer, position] = chunk;
  const bool before_is_here = position > 0 && here_.contains({layer, position - 1});
  const bool next_is_here = here_.contains({layer, position + 1});
  std::vector<Load> loads;
  for (const std::size_t place : files->second) {
    const File& file = files_[place];
    const auto bytes = file.layer->chunk(position);
    if (!bytes.ok()) continue;
    const std::uint64_t begin = std::max(bytes->stream_range().begin, file.data_offset) - file.data_offset;
    const std::uint64_t end = std::min(bytes->stream_range().end - file.data_offset, file.size);
    const std::uint64_t from = before_is_here ? page_begin(begin) : page_end(begin);
    const std::uint64_t to = next_is_here || end == file.size ? page_end(end) : page_begin(end);
    if (from < to) loads.push_back({file.root, file.path, from, to - from});
  }
  return loads;
}

}  // namespace samara::snapshotter
