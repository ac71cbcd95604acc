#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "peer/site_access.h"
#include "seed.grpc.pb.h"

namespace CLI {
class App;
}

namespace samara::cli {

/// Where a seed is asked, and what it is shown.
struct SeedAddress {
  std::string address = "unix:///run/samara/seed.sock";  ///< or "host:port"
  peer::SiteAccess::Options access;                      ///< over TCP
};
void add_seed_address(CLI::App& command, SeedAddress& seed);

/// A seed's API. Errors are the seed's own words; Unavailable when none answers.
class SeedClient {
 public:
  static absl::StatusOr<SeedClient> connect(const SeedAddress& seed);

  template <typename Response, typename Request>
  absl::StatusOr<Response> ask(grpc::Status (seed::v1::Seed::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                               const Request& request) const {
    grpc::ClientContext context;
    prepare(context);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(15));
    Response response;
    const grpc::Status status = (stub_.get()->*method)(&context, request, &response);
    if (status.ok()) return response;
    return to_status(status);
  }

  /// For calls that stream.
  seed::v1::Seed::Stub& stub() const { return *stub_; }
  void prepare(grpc::ClientContext& context) const;
  absl::Status to_status(const grpc::Status& status) const;

 private:
  SeedClient(std::string address, std::string token, std::unique_ptr<seed::v1::Seed::Stub> stub)
      : address_(std::move(address)), token_(std::move(token)), stub_(std::move(stub)) {}
  std::string address_, token_;
  std::unique_ptr<seed::v1::Seed::Stub> stub_;
};

}  // namespace samara::cli
