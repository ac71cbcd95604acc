#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>

#include "seed.grpc.pb.h"
#include "seed/server.h"

namespace samara::seed {

/// samara.seed.v1.Seed over a Warming. Threads: any.
class SeedService final : public seed::v1::Seed::Service {
 public:
  SeedService(Warming& warming, const Server::Options& options) : warming_(warming), options_(options) {}

  /// Ends those that watch.
  void stop() { stopping_ = true; }

  grpc::Status Sites(grpc::ServerContext*, const seed::v1::SitesRequest*, seed::v1::SitesResponse*) override;
  grpc::Status Nodes(grpc::ServerContext*, const seed::v1::NodesRequest*, seed::v1::NodesResponse*) override;
  grpc::Status Warm(grpc::ServerContext*, const seed::v1::WarmRequest*, seed::v1::Job*) override;
  grpc::Status Jobs(grpc::ServerContext*, const seed::v1::JobsRequest*, seed::v1::JobsResponse*) override;
  grpc::Status GetJob(grpc::ServerContext*, const seed::v1::GetJobRequest*, seed::v1::Job*) override;
  grpc::Status WatchJob(grpc::ServerContext*, const seed::v1::GetJobRequest*, grpc::ServerWriter<seed::v1::Job>*) override;
  grpc::Status ChangeJob(grpc::ServerContext*, const seed::v1::ChangeJobRequest*, seed::v1::Job*) override;
  // seed_service_import.cc
  grpc::Status OfferObjects(grpc::ServerContext*, const seed::v1::OfferObjectsRequest*, seed::v1::OfferObjectsResponse*) override;
  grpc::Status PutObject(grpc::ServerContext*, grpc::ServerReader<seed::v1::PutObjectRequest>*, seed::v1::PutObjectResponse*) override;
  grpc::Status PublishImage(grpc::ServerContext*, const seed::v1::PublishImageRequest*, seed::v1::PublishImageResponse*) override;

 private:
  absl::Status admit(const grpc::ServerContext& context) const;
  absl::Status admit_import(const grpc::ServerContext& context) const;
  absl::Status read_job(const std::string& id, bool items, seed::v1::Job* out) const;

  Warming& warming_;
  const Server::Options& options_;
  std::atomic<bool> stopping_{false};
};

}  // namespace samara::seed
