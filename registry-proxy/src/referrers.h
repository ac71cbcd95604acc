#pragma once

#include <string>
#include <string_view>

#include "base/digest.h"

namespace samara::registry_proxy {

inline constexpr std::string_view kIndexType = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kEmptyIndex =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})";

/// The tag under which clients keep referrers at registries without the endpoint: "sha256-<hex>", of sha512 only the
/// first 64 digits.
/// Source: OCI Distribution Specification v1.1, "Referrers Tag Schema".
std::string referrers_tag(const Digest& subject);

/// Is this untrusted text a JSON object with a list of manifests?
bool is_index(std::string_view text);

/// The index with only those descriptors whose artifactType this is. What isn't an index becomes an empty one.
std::string filter_by_type(std::string_view index, std::string_view artifact_type);

}  // namespace samara::registry_proxy
