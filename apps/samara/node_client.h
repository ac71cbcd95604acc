#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/text.h"
#include "node.grpc.pb.h"

namespace samara::cli {

inline constexpr const char* kNodeAddress = "unix:///run/samara/node.sock";

/// Asks the node that listens at `address`: call<Response>(address, &Stub::Method, request). Unavailable when none does.
template <typename Response, typename Request>
absl::StatusOr<Response> ask_node(const std::string& address,
                                  grpc::Status (node::v1::Node::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                  const Request& request) {
  const auto stub = node::v1::Node::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  Response response;
  const grpc::Status status = (stub.get()->*method)(&context, request, &response);
  if (status.ok()) return response;
  return absl::UnavailableError(str_cat("no node answers at ", address, ": ", status.error_message()));
}

/// Names come from outside: what isn't UTF-8 is replaced.
void print_json(const nlohmann::json& json);

/// Columns as wide as their widest cell; the last one isn't padded.
void print_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace samara::cli
