#include "referrers.h"

#include "base/text.h"
#include "json.h"

namespace samara::registry_proxy {
namespace {

using nlohmann::json;

std::optional<json> read_index(std::string_view text) {
  std::optional<json> index = parse_json(text);
  const json* manifests = index ? json_member(*index, "manifests") : nullptr;
  return manifests != nullptr && manifests->is_array() ? index : std::nullopt;
}

}  // namespace

std::string referrers_tag(const Digest& subject) {
  return str_cat(subject.algorithm_name(), "-", subject.hex().substr(0, 64));
}

bool is_index(std::string_view text) { return read_index(text).has_value(); }

std::string filter_by_type(std::string_view index, std::string_view artifact_type) {
  std::optional<json> parsed = read_index(index);
  if (!parsed) return std::string(kEmptyIndex);
  json kept = json::array();
  for (json& descriptor : (*parsed)["manifests"])
    if (json_text(descriptor, "artifactType") == artifact_type) kept.push_back(std::move(descriptor));
  (*parsed)["manifests"] = std::move(kept);
  return parsed->dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace samara::registry_proxy
