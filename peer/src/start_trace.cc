#include "peer/start_trace.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "protocol_lines.h"

namespace samara::peer {
namespace {

using Chunk = StartTrace::Chunk;

absl::Status wrong(std::string_view what) { return absl::InvalidArgumentError(str_cat("a start's trace with ", what)); }

/// Calls `visit` for each part between separators, until it fails.
template <typename Visit>
absl::Status for_each_part(std::string_view text, char separator, const Visit& visit) {
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    SAMARA_RETURN_IF_ERROR(visit(part));
  }
  return absl::OkStatus();
}

bool take_number(std::string_view& text, std::uint32_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take_sign(std::string_view& text, char sign) {
  if (!text.starts_with(sign)) return false;
  text.remove_prefix(1);
  return true;
}

absl::StatusOr<std::vector<Digest>> decode_layers(std::string_view text) {
  std::vector<Digest> layers;
  SAMARA_RETURN_IF_ERROR(for_each_part(text, ',', [&](std::string_view part) -> absl::Status {
    if (layers.size() == kMaxTraceLayers) return wrong("too many layers");
    SAMARA_ASSIGN_OR_RETURN(const Digest layer, Digest::parse(part));
    layers.push_back(layer);
    return absl::OkStatus();
  }));
  return layers;
}

absl::StatusOr<std::vector<Chunk>> decode_chunks(std::string_view text, const std::vector<Digest>& layers) {
  std::vector<Chunk> chunks;
  SAMARA_RETURN_IF_ERROR(for_each_part(text, ',', [&](std::string_view part) -> absl::Status {
    std::uint32_t layer = 0, first = 0;
    if (!take_number(part, layer) || !take_sign(part, ':') || !take_number(part, first)) return wrong("no chunk");
    std::uint32_t last = first;
    if (take_sign(part, '-') && !take_number(part, last)) return wrong("no chunk");
    if (!part.empty() || last < first || layer >= layers.size()) return wrong("no chunk");
    if (last - first >= kMaxTraceChunks - chunks.size()) return wrong("too many chunks");
    for (std::uint64_t chunk = first; chunk <= last; ++chunk) {
      chunks.emplace_back(layers[layer], static_cast<std::uint32_t>(chunk));
    }
    return absl::OkStatus();
  }));
  return chunks;
}

std::string encode_layers(const std::vector<Digest>& layers) {
  std::string text;
  for (const Digest& layer : layers) str_append(&text, text.empty() ? "" : ",", layer.to_string());
  return text;
}

/// Without what is there twice.
template <typename Part>
void keep_first_of_each(std::vector<Part>& parts) {
  std::set<Part> seen;
  std::erase_if(parts, [&](const Part& part) { return !seen.insert(part).second; });
}

/// As many of `chunks` (or files, which are numbers in a layer too) as `room` bytes hold; those of other layers are left out.
template <typename Chunks>
std::string encode_chunks(const Chunks& chunks, const std::vector<Digest>& layers, std::size_t room) {
  std::map<Digest, std::size_t> places;
  for (std::size_t i = 0; i < layers.size(); ++i) places.emplace(layers[i], i);
  std::string text;
  for (auto at = chunks.begin(); at != chunks.end();) {
    const auto [layer, first] = *at;
    std::uint32_t last = first;
    for (++at; at != chunks.end() && at->first == layer && last != UINT32_MAX && at->second == last + 1; ++at) ++last;
    const auto place = places.find(layer);
    if (place == places.end()) continue;
    std::string part = str_cat(text.empty() ? "" : ",", place->second, ":", first);
    if (last > first) str_append(&part, "-", last);
    if (text.size() + part.size() > room) break;
    text += part;
  }
  return text;
}

struct Texts {
  std::string layers, read, unused, files;
};

Texts texts_of(const StartTrace& trace) {
  // Names of keys, numbers and the like need less than 1 KiB; what was unused matters less than what was read.
  constexpr std::size_t kRest = 1u << 10;
  Texts texts{encode_layers(trace.layers), "", "", ""};
  std::size_t room = kMaxTraceBytes - kRest - std::min(kMaxTraceBytes - kRest, texts.layers.size());
  const auto encode = [&](const auto& parts) {
    std::string text = encode_chunks(parts, trace.layers, room);
    room -= text.size();
    return text;
  };
  texts.read = encode(trace.chunks);
  texts.unused = encode(trace.unused);
  texts.files = encode(trace.files);
  return texts;
}

/// `value` gives the text of a key.
template <typename Value>
absl::StatusOr<StartTrace> decode_parts(const Value& value) {
  StartTrace trace;
  SAMARA_ASSIGN_OR_RETURN(trace.layers, decode_layers(value("layers")));
  SAMARA_ASSIGN_OR_RETURN(trace.chunks, decode_chunks(value("read"), trace.layers));
  SAMARA_ASSIGN_OR_RETURN(const std::vector<Chunk> rest, decode_chunks(value("unused"), trace.layers));
  SAMARA_ASSIGN_OR_RETURN(trace.files, decode_chunks(value("files"), trace.layers));
  trace.unused.insert(rest.begin(), rest.end());
  keep_first_of_each(trace.chunks);
  keep_first_of_each(trace.files);
  return trace;
}

}  // namespace

Digest chain_id(const std::optional<Digest>& parent, const Digest& diff_id) {
  if (!parent) return diff_id;
  return cache_index::sha256(as_bytes(str_cat(parent->to_string(), " ", diff_id.to_string())));
}

Digest chain_id(const std::vector<Digest>& diff_ids) {
  std::optional<Digest> chain;
  for (const Digest& diff_id : diff_ids) chain = chain_id(chain, diff_id);
  return chain.value_or(Digest());
}

void merge(StartTrace& trace, const StartTrace& start) {
  const std::set<Chunk> read(start.chunks.begin(), start.chunks.end());
  std::set<Chunk> known, useless;
  for (const Chunk& chunk : trace.chunks) {
    known.insert(chunk);
    if (read.contains(chunk)) {
      trace.unused.erase(chunk);
    } else if (start.unused.contains(chunk) && !trace.unused.insert(chunk).second) {
      useless.insert(chunk);
    }
  }
  std::erase_if(trace.chunks, [&](const Chunk& chunk) { return useless.contains(chunk); });
  for (const Chunk& chunk : start.chunks) {
    if (trace.chunks.size() < kMaxTraceChunks && known.insert(chunk).second) trace.chunks.push_back(chunk);
  }
  const std::set<Chunk> left(trace.chunks.begin(), trace.chunks.end());
  std::erase_if(trace.unused, [&](const Chunk& chunk) { return !left.contains(chunk); });
  std::set<StartTrace::File> files(trace.files.begin(), trace.files.end());
  for (const StartTrace::File& file : start.files) {
    if (trace.files.size() < kMaxTraceFiles && files.insert(file).second) trace.files.push_back(file);
  }
  trace.layers = start.layers;
  if (!start.image.empty()) trace.image = start.image;
  trace.starts += std::min(start.starts, UINT32_MAX - trace.starts);
}

std::string encode(const StartTrace& trace) {
  const Texts texts = texts_of(trace);
  std::string text = str_cat("starts ", trace.starts, "\nlayers ", texts.layers, "\nread ", texts.read, "\nunused ",
                             texts.unused, "\nfiles ", texts.files, "\n");
  if (!trace.image.empty()) str_append(&text, "image ", one_line(trace.image), "\n");
  return text;
}

absl::StatusOr<StartTrace> decode_start_trace(std::string_view text) {
  if (text.size() > kMaxTraceBytes) return wrong("too much text");
  const ProtocolLines lines(text);
  std::uint64_t starts = 0;
  SAMARA_RETURN_IF_ERROR(lines.number("starts", starts));
  SAMARA_ASSIGN_OR_RETURN(StartTrace trace, decode_parts([&](std::string_view key) { return lines.text(key); }));
  trace.starts = static_cast<std::uint32_t>(std::min<std::uint64_t>(starts, UINT32_MAX));
  trace.image = one_line(lines.text("image"));
  return trace;
}

std::string to_query(const StartTrace& start) {
  const Texts texts = texts_of(start);
  return str_cat("?layers=", texts.layers, "&read=", texts.read, "&unused=", texts.unused, "&files=", texts.files);
}

absl::StatusOr<StartTrace> from_query(const std::function<std::string_view(std::string_view key)>& value) {
  std::size_t bytes = 0;
  const auto counted = [&](std::string_view key) {
    const std::string_view text = value(key);
    bytes += text.size();
    return text;
  };
  SAMARA_ASSIGN_OR_RETURN(StartTrace start, decode_parts(counted));
  if (bytes > kMaxTraceBytes) return wrong("too much text");
  start.starts = 1;
  return start;
}

}  // namespace samara::peer
