#include "seed_service.h"

#include <algorithm>

#include "api.h"
#include "base/status.h"
#include "base/text.h"
#include "seed/selector.h"

namespace samara::seed {
namespace {

namespace api = seed::v1;

// Both number their codes alike.
grpc::Status to_grpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

std::string metadata(const grpc::ServerContext& context, const std::string& key) {
  const auto found = context.client_metadata().find(key);
  return found == context.client_metadata().end() ? "" : std::string(found->second.data(), found->second.size());
}

Server::Credentials credentials_of(const grpc::ServerContext& context) {
  Server::Credentials shown;
  shown.token = metadata(context, "samara-token");
  constexpr std::string_view kBearer = "Bearer ";
  const std::string authorization = metadata(context, "authorization");
  if (shown.token.empty() && authorization.starts_with(kBearer)) shown.token = authorization.substr(kBearer.size());
  const auto auth = context.auth_context();
  if (auth == nullptr || !auth->IsPeerAuthenticated()) return shown;
  http::ClientIdentity identity;
  for (const grpc::string_ref& name : auth->FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME)) identity.common_name.assign(name.data(), name.size());
  for (const grpc::string_ref& name : auth->FindPropertyValues(GRPC_X509_SAN_PROPERTY_NAME)) identity.dns_names.emplace_back(name.data(), name.size());
  shown.identity = std::move(identity);
  return shown;
}

}  // namespace

absl::Status SeedService::admit(const grpc::ServerContext& context) const {
  if (context.peer().starts_with("unix:")) return absl::OkStatus();  // the socket's mode says who may
  const Server::Credentials shown = credentials_of(context);
  if (options_.admit && options_.admit(shown)) return absl::OkStatus();
  if (shown.token.empty() && !shown.identity)
    return absl::UnauthenticatedError("this seed asks for a token (--token-file) or a client certificate (--certificate, --key)");
  return absl::PermissionDeniedError("this seed doesn't know that token or certificate");
}

absl::Status SeedService::read_job(const std::string& id, bool items, api::Job* out) const {
  bool found = false;
  warming_.look([&](const Fleet&, const seed::Jobs& jobs, Time) {
    const Job* const job = jobs.find(id);
    found = job != nullptr;
    if (found) set_job(*job, jobs, items ? Items::kYes : Items::kNo, out);
  });
  return found ? absl::OkStatus() : absl::NotFoundError(str_cat("there is no job ", id, "; `samara jobs` lists them"));
}

grpc::Status SeedService::Sites(grpc::ServerContext* context, const api::SitesRequest*, api::SitesResponse* response) {
  if (const absl::Status admitted = admit(*context); !admitted.ok()) return to_grpc(admitted);
  warming_.look([&](const Fleet& fleet, const seed::Jobs&, Time now) { set_sites(fleet, options_.version, now, response); });
  return grpc::Status::OK;
}

grpc::Status SeedService::Nodes(grpc::ServerContext* context, const api::NodesRequest* request, api::NodesResponse* response) {
  if (const absl::Status admitted = admit(*context); !admitted.ok()) return to_grpc(admitted);
  const absl::StatusOr<Selector> selector = Selector::parse(request->selector());
  if (!selector.ok()) return to_grpc(selector.status());
  const auto& sites = request->sites();
  warming_.look([&](const Fleet& fleet, const seed::Jobs&, Time now) {
    for (const auto& [name, node] : fleet.nodes()) {
      if (!selector->matches(name, node.last.labels)) continue;
      if (!sites.empty() && std::find(sites.begin(), sites.end(), node.site) == sites.end()) continue;
      set_node(name, node, fleet, now, response->add_nodes());
    }
  });
  return grpc::Status::OK;
}

grpc::Status SeedService::Warm(grpc::ServerContext* context, const api::WarmRequest* request, api::Job* response) {
  if (const absl::Status admitted = admit(*context); !admitted.ok()) return to_grpc(admitted);
  absl::StatusOr<WarmSpec> spec = spec_of(*request);
  if (!spec.ok()) return to_grpc(spec.status());
  const absl::StatusOr<std::string> id = warming_.warm(*std::move(spec));
  return to_grpc(id.ok() ? read_job(*id, false, response) : id.status());
}

grpc::Status SeedService::Jobs(grpc::ServerContext* context, const api::JobsRequest*, api::JobsResponse* response) {
  if (const absl::Status admitted = admit(*context); !admitted.ok()) return to_grpc(admitted);
  warming_.look([&](const Fleet&, const seed::Jobs& jobs, Time) {
    std::vector<const Job*> sorted;
    for (const auto& [id, job] : jobs.all()) sorted.push_back(&job);
    std::sort(sorted.begin(), sorted.end(), [](const Job* a, const Job* b) { return a->created > b->created; });
    for (const Job* job : sorted) set_job(*job, jobs, Items::kNo, response->add_jobs());
  });
  return grpc::Status::OK;
}

grpc::Status SeedService::GetJob(grpc::ServerContext* context, const api::GetJobRequest* request, api::Job* response) {
  if (const absl::Status admitted = admit(*context); !admitted.ok()) return to_grpc(admitted);
  return to_grpc(read_job(request->id(), request->items(), response));
}

grpc::Status SeedService::WatchJob(grpc::ServerContext* context, const api::GetJobRequest* request, grpc::ServerWriter<api::Job>* writer) {
  if (const absl::Status admitted = admit(*context); !admitted.ok()) return to_grpc(admitted);
  constexpr std::chrono::milliseconds kBeat{1'000};
  std::string last;
  std::uint64_t tick = 0;
  while (!context->IsCancelled() && !stopping_) {
    api::Job job;
    if (const absl::Status read = read_job(request->id(), request->items(), &job); !read.ok()) return to_grpc(read);
    const std::string now = job.SerializeAsString();
    if (now != last && !writer->Write(job)) break;
    last = now;
    if (job.state() != "running") return grpc::Status::OK;
    if (!warming_.wait_for_tick(tick, kBeat)) break;
  }
  return to_grpc(absl::UnavailableError("the seed stops; the job goes on when it is back"));
}

grpc::Status SeedService::ChangeJob(grpc::ServerContext* context, const api::ChangeJobRequest* request, api::Job* response) {
  if (const absl::Status admitted = admit(*context); !admitted.ok()) return to_grpc(admitted);
  absl::Status changed = absl::InvalidArgumentError("no change is named: cancel, resume or retry");
  if (request->change() == api::ChangeJobRequest::CANCEL) changed = warming_.change(request->id(), Warming::Change::kCancel);
  if (request->change() == api::ChangeJobRequest::RESUME) changed = warming_.change(request->id(), Warming::Change::kResume);
  if (request->change() == api::ChangeJobRequest::RETRY) changed = warming_.change(request->id(), Warming::Change::kRetry);
  return to_grpc(changed.ok() ? read_job(request->id(), false, response) : changed);
}

}  // namespace samara::seed
