#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/service_type.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "snapshotter/server.h"

namespace samara::snapshotter {

/// Serves `service` on a socket with mode 0600; see server.h for the errors.
absl::StatusOr<std::unique_ptr<Server>> serve_on_unix_socket(std::unique_ptr<grpc::Service> service,
                                                             const std::string& socket);

/// The same code on the wire; they share their numbers.
grpc::Status to_grpc(const absl::Status& status);

}  // namespace samara::snapshotter
