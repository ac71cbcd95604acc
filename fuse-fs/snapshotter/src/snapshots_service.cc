// containerd's snapshots API: messages to and from Snapshotter's words, nothing else.
#include "snapshots.grpc.pb.h"
#include "snapshotter/server.h"
#include "unix_server.h"

namespace samara::snapshotter {
namespace {

namespace api = containerd::services::snapshots::v1;
using google::protobuf::Empty;
using grpc::ServerContext;

constexpr int kListBatch = 100;
constexpr std::int64_t kNanos = 1'000'000'000;

Labels to_labels(const google::protobuf::Map<std::string, std::string>& labels) {
  return {labels.begin(), labels.end()};
}

void set_timestamp(std::int64_t ns, google::protobuf::Timestamp* out) {
  const std::int64_t nanos = ((ns % kNanos) + kNanos) % kNanos;
  out->set_seconds((ns - nanos) / kNanos);
  out->set_nanos(static_cast<std::int32_t>(nanos));
}

void set_info(const Info& info, api::Info* out) {
  out->set_name(info.name);
  out->set_parent(info.parent);
  out->set_kind(static_cast<api::Kind>(info.kind));
  set_timestamp(info.created_ns, out->mutable_created_at());
  set_timestamp(info.updated_ns, out->mutable_updated_at());
  out->mutable_labels()->insert(info.labels.begin(), info.labels.end());
}

template <typename Response>
grpc::Status answer_mounts(const absl::StatusOr<std::vector<Mount>>& mounts, Response* response) {
  if (!mounts.ok()) return to_grpc(mounts.status());
  for (const Mount& mount : *mounts) {
    api::Mount* out = response->add_mounts();
    out->set_type(mount.type);
    out->set_source(mount.source);
    for (const std::string& option : mount.options) out->add_options(option);
  }
  return grpc::Status::OK;
}

template <typename Response>
grpc::Status answer_info(const absl::StatusOr<Info>& info, Response* response) {
  if (!info.ok()) return to_grpc(info.status());
  set_info(*info, response->mutable_info());
  return grpc::Status::OK;
}

class SnapshotsService final : public api::Snapshots::Service {
 public:
  explicit SnapshotsService(Snapshotter& snapshotter) : snapshotter_(snapshotter) {}

  grpc::Status Prepare(ServerContext*, const api::PrepareSnapshotRequest* request,
                       api::PrepareSnapshotResponse* response) override {
    return answer_mounts(snapshotter_.prepare(request->key(), request->parent(), to_labels(request->labels())),
                         response);
  }

  grpc::Status View(ServerContext*, const api::ViewSnapshotRequest* request,
                    api::ViewSnapshotResponse* response) override {
    return answer_mounts(snapshotter_.view(request->key(), request->parent(), to_labels(request->labels())), response);
  }

  grpc::Status Mounts(ServerContext*, const api::MountsRequest* request, api::MountsResponse* response) override {
    return answer_mounts(snapshotter_.mounts(request->key()), response);
  }

  grpc::Status Commit(ServerContext*, const api::CommitSnapshotRequest* request, Empty*) override {
    // "rebase" isn't declared: a parent chosen at Commit would be a client's mistake.
    if (!request->parent().empty()) return {grpc::StatusCode::UNIMPLEMENTED, "a parent can't be chosen at Commit"};
    return to_grpc(snapshotter_.commit(request->name(), request->key(), to_labels(request->labels())));
  }

  grpc::Status Remove(ServerContext*, const api::RemoveSnapshotRequest* request, Empty*) override {
    return to_grpc(snapshotter_.remove(request->key()));
  }

  grpc::Status Stat(ServerContext*, const api::StatSnapshotRequest* request,
                    api::StatSnapshotResponse* response) override {
    return answer_info(snapshotter_.stat(request->key()), response);
  }

  grpc::Status Update(ServerContext*, const api::UpdateSnapshotRequest* request,
                      api::UpdateSnapshotResponse* response) override {
    const auto& paths = request->update_mask().paths();
    return answer_info(snapshotter_.update(request->info().name(), to_labels(request->info().labels()),
                                           {paths.begin(), paths.end()}),
                       response);
  }

  grpc::Status List(ServerContext*, const api::ListSnapshotsRequest* request,
                    grpc::ServerWriter<api::ListSnapshotsResponse>* writer) override {
    const auto infos = snapshotter_.list({request->filters().begin(), request->filters().end()});
    if (!infos.ok()) return to_grpc(infos.status());
    api::ListSnapshotsResponse batch;
    for (const Info& info : *infos) {
      set_info(info, batch.add_info());
      if (batch.info_size() < kListBatch) continue;
      if (!writer->Write(batch)) return grpc::Status::CANCELLED;
      batch.Clear();
    }
    if (batch.info_size() > 0 && !writer->Write(batch)) return grpc::Status::CANCELLED;
    return grpc::Status::OK;
  }

  grpc::Status Usage(ServerContext*, const api::UsageRequest* request, api::UsageResponse* response) override {
    const absl::StatusOr<DiskUsage> usage = snapshotter_.usage(request->key());
    if (!usage.ok()) return to_grpc(usage.status());
    response->set_size(static_cast<std::int64_t>(usage->bytes));
    response->set_inodes(static_cast<std::int64_t>(usage->inodes));
    return grpc::Status::OK;
  }

  grpc::Status Cleanup(ServerContext*, const api::CleanupRequest*, Empty*) override {
    return to_grpc(snapshotter_.cleanup());
  }

 private:
  Snapshotter& snapshotter_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> serve_snapshots(Snapshotter& snapshotter, const std::string& socket) {
  return serve_on_unix_socket(std::make_unique<SnapshotsService>(snapshotter), socket);
}

}  // namespace samara::snapshotter
