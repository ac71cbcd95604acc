#include <charconv>

#include "../protocol_lines.h"
#include "absl/strings/str_split.h"
#include "peer/site_protocol.h"
#include "peer/start_trace.h"
#include "peer/warm_protocol.h"

namespace samara::peer {
namespace {

constexpr std::size_t kMostLayers = kMaxTraceLayers;

absl::Status bad(std::string_view what) { return absl::InvalidArgumentError(str_cat("an image to be warmed with ", what)); }

bool number(std::string_view text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// "<layer> <diffID> <layer size>[ <index> <index size> <blob> <blob size>]"
std::string layer_line(const WarmImage::Layer& layer) {
  const cache_index::LayerRecord& record = layer.record;
  std::string line = str_cat(record.layer.to_string(), " ", layer.diff_id.to_string(), " ", record.layer_size);
  if (layer.converted())
    str_append(&line, " ", record.index.to_string(), " ", record.index_size, " ", record.blob.to_string(), " ", record.blob_size);
  return line + "\n";
}

absl::StatusOr<WarmImage::Layer> parse_layer(std::string_view line) {
  const std::vector<absl::string_view> words = absl::StrSplit(to_absl(line), ' ');
  if (words.size() != 3 && words.size() != 7) return bad("a layer of the wrong shape");
  WarmImage::Layer layer;
  cache_index::LayerRecord& record = layer.record;
  SAMARA_ASSIGN_OR_RETURN(record.layer, Digest::parse(to_std(words[0])));
  SAMARA_ASSIGN_OR_RETURN(layer.diff_id, Digest::parse(to_std(words[1])));
  if (!number(to_std(words[2]), record.layer_size)) return bad("a layer without its size");
  if (words.size() == 3) return layer;
  SAMARA_ASSIGN_OR_RETURN(record.index, Digest::parse(to_std(words[3])));
  SAMARA_ASSIGN_OR_RETURN(record.blob, Digest::parse(to_std(words[5])));
  if (!number(to_std(words[4]), record.index_size) || !number(to_std(words[6]), record.blob_size)) return bad("a layer without sizes");
  if (record.index_size == 0 || record.index_size > kMaxIndexBytes) return bad("an index of an impossible size");
  return layer;
}

absl::StatusOr<std::string> take(std::string_view& rest, std::uint64_t size, std::string_view what) {
  if (size > rest.size()) return bad(str_cat("less ", what, " than it says"));
  std::string taken(rest.substr(0, size));
  rest.remove_prefix(size);
  return taken;
}

}  // namespace

std::vector<Digest> WarmImage::diff_ids() const {
  std::vector<Digest> all;
  for (const Layer& layer : layers) all.push_back(layer.diff_id);
  return all;
}

std::string encode(const WarmImage& image) {
  std::string text = str_cat("name ", one_line(image.name), "\nregistry ", one_line(image.registry), "\nrepository ",
                             one_line(image.repository), "\nmedia_type ", one_line(image.media_type), "\nindex_media_type ",
                             one_line(image.index_media_type), "\ndigest ", image.digest.to_string(), "\ntrace_bytes ", image.trace_bytes, "\nmanifest_size ",
                             image.manifest.size(), "\nconfig_size ", image.config.size(), "\nindex_size ", image.index.size(), "\n\n");
  for (const WarmImage::Layer& layer : image.layers) text += layer_line(layer);
  return str_cat(text, "\n", image.manifest, image.config, image.index);
}

absl::StatusOr<WarmImage> decode_warm_image(std::string_view text) {
  if (text.size() > kMaxWarmImageBytes) return bad("too many bytes");
  const std::size_t end = text.find("\n\n");
  if (end == text.npos) return bad("no end of its keys");
  const ProtocolLines lines(text.substr(0, end));
  WarmImage image;
  image.name = one_line(lines.text("name"));
  image.registry = one_line(lines.text("registry"));
  image.repository = one_line(lines.text("repository"));
  image.media_type = one_line(lines.text("media_type"));
  image.index_media_type = one_line(lines.text("index_media_type"));
  std::uint64_t manifest = 0, config = 0, index = 0;
  SAMARA_RETURN_IF_ERROR(lines.digest("digest", image.digest));
  SAMARA_RETURN_IF_ERROR(lines.number("trace_bytes", image.trace_bytes));
  SAMARA_RETURN_IF_ERROR(lines.number("manifest_size", manifest));
  SAMARA_RETURN_IF_ERROR(lines.number("config_size", config));
  SAMARA_RETURN_IF_ERROR(lines.number("index_size", index));
  std::string_view rest = text.substr(end + 2);
  while (!rest.empty() && rest.front() != '\n') {
    const std::size_t line_end = rest.find('\n');
    if (line_end == rest.npos || image.layers.size() >= kMostLayers) return bad("layers without an end");
    SAMARA_ASSIGN_OR_RETURN(WarmImage::Layer layer, parse_layer(rest.substr(0, line_end)));
    image.layers.push_back(layer);
    rest.remove_prefix(line_end + 1);
  }
  if (rest.empty()) return bad("no manifest");
  rest.remove_prefix(1);
  SAMARA_ASSIGN_OR_RETURN(image.manifest, take(rest, manifest, "manifest"));
  SAMARA_ASSIGN_OR_RETURN(image.config, take(rest, config, "config"));
  SAMARA_ASSIGN_OR_RETURN(image.index, take(rest, index, "index"));
  if (!rest.empty()) return bad("more bytes than it says");
  return image;
}

}  // namespace samara::peer
