#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/digest.h"

namespace samara::registry_proxy {

/// A repository at a registry, by the names that clients use: "docker.io" and "library/python".
struct Repository {
  std::string registry;
  std::string name;

  /// "docker.io/library/python"
  std::string to_string() const { return registry + "/" + name; }
  auto operator<=>(const Repository&) const = default;
};

/// Checks both names and brings them to the form above: Docker Hub's other host names become "docker.io", and its
/// one-component repositories get "library/".
/// Errors: InvalidArgument, naming what is wrong.
/// Source: OCI Distribution Specification v1.1, "Pulling manifests".
absl::StatusOr<Repository> make_repository(std::string_view registry, std::string_view name);

/// "host" or "host:port" of a registry; no path, no user.
bool is_registry_name(std::string_view name);
/// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* components, separated by '/'; at most 255 characters in all.
bool is_repository_name(std::string_view name);
/// [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}
bool is_tag(std::string_view tag);

/// What follows "/manifests/": a tag or a digest.
struct Reference {
  std::string tag;               ///< empty when `digest` is set
  std::optional<Digest> digest;

  std::string to_string() const { return digest ? digest->to_string() : tag; }
};

/// Errors: InvalidArgument.
absl::StatusOr<Reference> parse_reference(std::string_view text);

/// An image by the name that people write: "python", "team/app:1", "host:5000/app@sha256:…". What comes before the first
/// '/' is a registry when it has a '.' or a ':' or is "localhost", and Docker Hub is meant otherwise.
struct ImageName {
  std::string_view registry, repository;  ///< as written, unchecked; "docker.io" when there is none
  Reference reference;                     ///< the tag "latest" when there is none; a digest goes before a tag
};
/// Errors: InvalidArgument.
absl::StatusOr<ImageName> parse_image_name(std::string_view text);

}  // namespace samara::registry_proxy
