#include "warm_manifest.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <sstream>

#include "base/status.h"
#include "base/text.h"

namespace samara::cli {
namespace {

constexpr std::size_t kMostImages = 1024, kMostBytes = 4u << 20, kMostObjects = 10'000;
constexpr int kDeepestList = 4;

/// The end of a file that isn't what it should be; thrown and caught in this file alone, as yaml-cpp's own errors are.
struct Wrong {
  YAML::Mark mark;
  std::string what;
};

std::string text_of(const YAML::Node& node, std::string_view what) {
  if (!node.IsScalar()) throw Wrong{node.Mark(), str_cat(what, " must be a text")};
  return node.Scalar();
}

std::vector<std::string> texts_of(const YAML::Node& node, std::string_view what) {
  if (node.IsScalar()) return {node.Scalar()};
  if (!node.IsSequence()) throw Wrong{node.Mark(), str_cat(what, " must be a list of texts")};
  std::vector<std::string> texts;
  for (const YAML::Node& each : node) texts.push_back(text_of(each, what));
  return texts;
}

void add(WarmManifest& manifest, WarmEntry entry, const YAML::Mark& mark) {
  if (entry.image.empty()) throw Wrong{mark, "an image without a name"};
  if (manifest.images.size() >= kMostImages) throw Wrong{mark, str_cat("more than ", kMostImages, " images")};
  manifest.images.push_back(std::move(entry));
}

bool read_common(const std::string& key, const YAML::Node& value, WarmEntry& entry) {
  if (key == "level") entry.level = text_of(value, key);
  else if (key == "nodes") entry.nodes = text_of(value, key);
  else if (key == "sites") entry.sites = texts_of(value, key);
  else if (key == "deadline") entry.deadline = text_of(value, key);
  else if (key == "platform") entry.platform = text_of(value, key);
  else return false;
  return true;
}

WarmEntry read_entry(const YAML::Node& node, const WarmEntry& common) {
  WarmEntry entry = common;
  if (node.IsScalar()) {
    entry.image = node.Scalar();
    return entry;
  }
  if (!node.IsMap()) throw Wrong{node.Mark(), "an image is a name, or a map with `image`"};
  for (const auto& pair : node) {
    const std::string key = text_of(pair.first, "a key");
    if (key == "image") entry.image = text_of(pair.second, key);
    else if (!read_common(key, pair.second, entry)) throw Wrong{pair.first.Mark(), str_cat("unknown key \"", key, "\" of an image")};
  }
  return entry;
}

void read_batch(const YAML::Node& root, WarmManifest& manifest) {
  if (!root.IsMap()) throw Wrong{root.Mark(), "a batch is a map with `images`"};
  WarmEntry common;
  YAML::Node images;
  for (const auto& pair : root) {
    const std::string key = text_of(pair.first, "a key");
    if (key == "images") images = pair.second;
    else if (key == "pin") manifest.pin = text_of(pair.second, key);
    else if (!read_common(key, pair.second, common)) throw Wrong{pair.first.Mark(), str_cat("unknown key \"", key, "\"")};
  }
  if (!images.IsDefined() || !images.IsSequence() || images.size() == 0) throw Wrong{root.Mark(), "a batch needs a list `images`"};
  for (const YAML::Node& each : images) add(manifest, read_entry(each, common), each.Mark());
}

// ---- Kubernetes ----

YAML::Node child(const YAML::Node& node, const char* key) {
  return node.IsDefined() && node.IsMap() ? node[key] : YAML::Node(YAML::NodeType::Undefined);
}

void add_once(WarmManifest& manifest, const YAML::Node& image) {
  if (!image.IsDefined() || image.IsNull()) return;
  WarmEntry entry;
  entry.image = text_of(image, "image");
  const auto same = [&](const WarmEntry& each) { return each.image == entry.image; };
  if (std::none_of(manifest.images.begin(), manifest.images.end(), same)) add(manifest, std::move(entry), image.Mark());
}

void read_pod(const YAML::Node& spec, const YAML::Mark& mark, WarmManifest& manifest) {
  if (!spec.IsDefined() || !spec.IsMap()) throw Wrong{mark, "it has no pod spec"};
  for (const char* list : {"initContainers", "containers", "ephemeralContainers"}) {
    const YAML::Node containers = child(spec, list);
    if (!containers.IsDefined() || containers.IsNull()) continue;
    if (!containers.IsSequence()) throw Wrong{containers.Mark(), str_cat(list, " must be a list")};
    for (const YAML::Node& container : containers) add_once(manifest, child(container, "image"));
  }
  const YAML::Node volumes = child(spec, "volumes");
  if (!volumes.IsDefined() || !volumes.IsSequence()) return;
  for (const YAML::Node& volume : volumes) add_once(manifest, child(child(volume, "image"), "reference"));
}

void read_object(const YAML::Node& object, int depth, std::size_t& objects, WarmManifest& manifest) {
  if (!object.IsDefined() || object.IsNull()) return;
  if (++objects > kMostObjects) throw Wrong{object.Mark(), str_cat("more than ", kMostObjects, " objects")};
  const YAML::Node kind_node = child(object, "kind");
  if (!kind_node.IsDefined()) throw Wrong{object.Mark(), "an object without a kind: this is no Kubernetes manifest"};
  const std::string kind = text_of(kind_node, "kind");
  const YAML::Node spec = child(object, "spec");
  if (kind == "Pod") return read_pod(spec, object.Mark(), manifest);
  if (kind == "PodTemplate") return read_pod(child(child(object, "template"), "spec"), object.Mark(), manifest);
  if (kind == "CronJob") return read_pod(child(child(child(child(spec, "jobTemplate"), "spec"), "template"), "spec"), object.Mark(), manifest);
  for (const char* each : {"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job"})
    if (kind == each) return read_pod(child(child(spec, "template"), "spec"), object.Mark(), manifest);
  const YAML::Node items = child(object, "items");
  if (kind.ends_with("List") && items.IsDefined() && items.IsSequence()) {
    if (depth >= kDeepestList) throw Wrong{object.Mark(), "lists within lists"};
    for (const YAML::Node& item : items) read_object(item, depth + 1, objects, manifest);
    return;
  }
  const YAML::Node name = child(child(object, "metadata"), "name");
  manifest.passed_over.push_back(str_cat(kind, " ", name.IsDefined() && name.IsScalar() ? name.Scalar() : ""));
}

// What YAML allows in a text at all, which yaml-cpp doesn't check. Source: YAML 1.2 §5.1.
bool is_printable(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') return false;
    const std::size_t length = byte < 0x80 ? 1 : byte >= 0xc2 && byte < 0xe0 ? 2 : byte >= 0xe0 && byte < 0xf0 ? 3 : byte >= 0xf0 && byte < 0xf5 ? 4 : 0;
    if (length == 0 || byte == 0x7f || i + length > text.size()) return false;
    for (std::size_t next = 1; next < length; ++next)
      if ((static_cast<unsigned char>(text[i + next]) & 0xc0) != 0x80) return false;
    i += length;
  }
  return true;
}

/// A document of a stream, and the line of the file where it begins.
struct Document {
  std::string text;
  int line = 0;
};

bool is_marker(std::string_view line, std::string_view marker) {
  return line.starts_with(marker) && (line.size() == marker.size() || line[marker.size()] == ' ' || line[marker.size()] == '\t' || line[marker.size()] == '\r');
}

/// The documents between lines "---" and "...", which stand for nothing else at a line's begin (YAML 1.2 §9.1.2).
/// yaml-cpp's own LoadAll() never ends, and takes all memory, where something follows that it doesn't read: ",:n".
std::vector<Document> documents(std::string_view yaml) {
  std::vector<Document> all(1);
  int number = 0;
  for (; !yaml.empty(); ++number) {
    const std::string_view line = yaml.substr(0, yaml.find('\n'));
    yaml.remove_prefix(std::min(yaml.size(), line.size() + 1));
    const bool begins = is_marker(line, "---"), ends = is_marker(line, "...");
    if (begins || ends) all.push_back({"", ends ? number + 1 : number});
    if (ends || line.starts_with('%')) continue;  // a directive: nothing here depends on one, but the count of lines
    str_append(&all.back().text, line, "\n");
  }
  return all;
}

/// Takes note of nothing.
struct Skip final : YAML::EventHandler {
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

/// Reads one document. Wrong when there is more than that.
YAML::Node load(const Document& document) {
  std::istringstream stream(document.text);
  YAML::Parser parser(stream);
  Skip skip;
  parser.HandleNextDocument(skip);
  if (parser) throw Wrong{YAML::Mark::null_mark(), "it isn't YAML: something follows the document's end"};
  return YAML::Load(document.text);
}

template <typename Read>
absl::StatusOr<WarmManifest> parse(std::string_view yaml, std::string_view file, const Read& read) {
  int first_line = 0;  // of the document that is being read
  const auto wrong = [&](const YAML::Mark& mark, std::string_view what) {
    if (mark.is_null()) return absl::InvalidArgumentError(str_cat(file, ":", first_line + 1, ": ", what));
    return absl::InvalidArgumentError(str_cat(file, ":", first_line + mark.line + 1, ":", mark.column + 1, ": ", what));
  };
  if (yaml.size() > kMostBytes) return absl::InvalidArgumentError(str_cat(file, " is larger than 4 MiB"));
  if (!is_printable(yaml)) return absl::InvalidArgumentError(str_cat(file, " isn't a text in UTF-8"));
  WarmManifest manifest;
  try {
    for (const Document& document : documents(yaml)) {
      first_line = document.line;
      read(load(document), manifest);
    }
  } catch (const Wrong& error) {
    return wrong(error.mark, error.what);
  } catch (const YAML::Exception& error) {
    return wrong(error.mark, error.msg);
  }
  return manifest;
}

}  // namespace

absl::StatusOr<WarmManifest> parse_batch(std::string_view yaml, std::string_view file) {
  SAMARA_ASSIGN_OR_RETURN(WarmManifest manifest, parse(yaml, file, [](const YAML::Node& document, WarmManifest& found) {
                            if (!document.IsNull()) read_batch(document, found);
                          }));
  if (!manifest.images.empty()) return manifest;
  return absl::InvalidArgumentError(str_cat(file, ":1: a batch is a map with `images`"));
}

absl::StatusOr<WarmManifest> parse_kubernetes(std::string_view yaml, std::string_view file) {
  std::size_t objects = 0;
  SAMARA_ASSIGN_OR_RETURN(WarmManifest manifest, parse(yaml, file, [&](const YAML::Node& document, WarmManifest& found) {
                            read_object(document, 0, objects, found);
                          }));
  if (!manifest.images.empty()) return manifest;
  return absl::InvalidArgumentError(str_cat(file, " names no image: it has no pods, deployments, jobs or the like"));
}

}  // namespace samara::cli
