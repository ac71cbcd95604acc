#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"
#include "peer/start_trace.h"
#include "snapshotter/snapshot.h"

/// What containerd tells in the labels of a Prepare. docs/containerd.md says which client sends which.
namespace samara::snapshotter {

inline constexpr std::string_view kSnapshotRefLabel = "containerd.io/snapshot.ref";

/// Where a registry keeps an image.
struct ImageName {
  std::string registry;    ///< "docker.io", "localhost:5000"
  std::string repository;  ///< "library/python"
};

/// Splits "docker.io/library/python:3.12@sha256:…". A first part without dot, colon or the name "localhost" isn't a
/// registry: "python" is docker.io/library/python. nullopt for what can't be a reference.
std::optional<ImageName> parse_image_name(std::string_view reference);

/// A layer that containerd would take ready-made.
struct LayerRequest {
  std::string target;             ///< snapshot.ref: the chainID as text
  Digest chain_id;                ///< the same
  Digest layer;                   ///< of the compressed bytes
  std::string image_ref;          ///< may be empty
  ImageName image;                ///< empty when image_ref is
  std::vector<Digest> following;  ///< layers of the same image that will be asked for soon
};

/// nullopt when the labels don't name both a chainID and a layer: the snapshot is an ordinary one.
/// Source: containerd.io/snapshot/cri.{layer-digest,image-ref,image-layers}, or
/// containerd.io/snapshot/remote/stargz.{digest,reference,layers} as the stargz tools send.
std::optional<LayerRequest> parse_layer_request(const Labels& labels);

/// Whose the files of a container in a user namespace are to be: lists of "<in the container>:<on the host>:<count>", with
/// commas between, as containerd's mounts take them.
struct IdMapping {
  std::string uids, gids;
};
/// From containerd.io/snapshot/{uid,gid}mapping; nullopt unless both are there. InvalidArgument for what isn't such a list,
/// or has no place for root.
absl::StatusOr<std::optional<IdMapping>> parse_id_mapping(const Labels& labels);
/// The number on the host; NotFound.
absl::StatusOr<std::uint32_t> id_on_host(std::string_view list, std::uint32_t id);

/// The chainID of a committed snapshot, from its snapshot.ref label or the end of its name ("<ns>/<n>/<chainID>").
std::optional<Digest> chain_id_of(const Info& info);

using peer::chain_id;

}  // namespace samara::snapshotter
