#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "node.pb.h"
#include "peer/site_access.h"

namespace samara::cli {

/// A node's or a site's images, whichever the address is of. Errors are the daemon's own words; Unavailable when none
/// answers.
class Images {
 public:
  virtual ~Images() = default;
  virtual absl::StatusOr<node::v1::ImagesResponse> list(const std::string& name) = 0;  ///< empty: all
  virtual absl::StatusOr<node::v1::RemovedImages> remove(const std::string& name, bool plan) = 0;
  virtual absl::StatusOr<node::v1::RemovedImages> prune(std::uint64_t unused_seconds, bool plan) = 0;
};

/// As pins_at().
absl::StatusOr<std::unique_ptr<Images>> images_at(const std::string& address, const peer::SiteAccess::Options& access);

/// The name by which daemons list what people call "python:3.12": "docker.io/library/python:3.12". A digest stays as it is.
/// InvalidArgument: not a name.
absl::StatusOr<std::string> full_image_name(const std::string& text);

}  // namespace samara::cli
