// What containerd sees over its gRPC channel.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/text.h"
#include "snapshots.grpc.pb.h"
#include "snapshotter/server.h"
#include "snapshotter_stack.h"

namespace samara::snapshotter {
namespace {

namespace api = containerd::services::snapshots::v1;
using grpc::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class SnapshotsServiceTest : public ::testing::Test {
 protected:
  SnapshotsServiceTest() {
    auto server = serve_snapshots(*stack_, socket_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = api::Snapshots::NewStub(grpc::CreateChannel("unix:" + socket_, grpc::InsecureChannelCredentials()));
  }

  grpc::Status prepare(const std::string& key, const std::string& parent = "", const Labels& labels = {}) {
    api::PrepareSnapshotRequest request;
    request.set_key(key);
    request.set_parent(parent);
    request.mutable_labels()->insert(labels.begin(), labels.end());
    mounts_.Clear();
    grpc::ClientContext context;
    return stub_->Prepare(&context, request, &mounts_);
  }
  grpc::Status view(const std::string& key, const std::string& parent) {
    api::ViewSnapshotRequest request;
    request.set_key(key);
    request.set_parent(parent);
    api::ViewSnapshotResponse response;
    grpc::ClientContext context;
    return stub_->View(&context, request, &response);
  }
  grpc::Status commit(const std::string& name, const std::string& key, const Labels& labels = {}) {
    api::CommitSnapshotRequest request;
    request.set_name(name);
    request.set_key(key);
    request.mutable_labels()->insert(labels.begin(), labels.end());
    google::protobuf::Empty response;
    grpc::ClientContext context;
    return stub_->Commit(&context, request, &response);
  }
  grpc::Status remove(const std::string& key) {
    api::RemoveSnapshotRequest request;
    request.set_key(key);
    google::protobuf::Empty response;
    grpc::ClientContext context;
    return stub_->Remove(&context, request, &response);
  }
  grpc::Status mounts(const std::string& key, api::MountsResponse* response) {
    api::MountsRequest request;
    request.set_key(key);
    grpc::ClientContext context;
    return stub_->Mounts(&context, request, response);
  }
  grpc::Status stat(const std::string& key, api::Info* info = nullptr) {
    api::StatSnapshotRequest request;
    request.set_key(key);
    api::StatSnapshotResponse response;
    grpc::ClientContext context;
    const grpc::Status status = stub_->Stat(&context, request, &response);
    if (info != nullptr) *info = response.info();
    return status;
  }
  grpc::Status update(const api::Info& info, const std::vector<std::string>& paths, api::Info* updated) {
    api::UpdateSnapshotRequest request;
    *request.mutable_info() = info;
    for (const std::string& path : paths) request.mutable_update_mask()->add_paths(path);
    api::UpdateSnapshotResponse response;
    grpc::ClientContext context;
    const grpc::Status status = stub_->Update(&context, request, &response);
    *updated = response.info();
    return status;
  }
  std::vector<std::string> list(const std::vector<std::string>& filters, std::vector<int>* batches = nullptr) {
    api::ListSnapshotsRequest request;
    for (const std::string& filter : filters) request.add_filters(filter);
    grpc::ClientContext context;
    const auto reader = stub_->List(&context, request);
    std::vector<std::string> names;
    api::ListSnapshotsResponse response;
    while (reader->Read(&response)) {
      if (batches != nullptr) batches->push_back(response.info_size());
      for (const api::Info& info : response.info()) names.push_back(info.name());
    }
    list_status_ = reader->Finish();
    return names;
  }
  void committed(const std::string& name, const std::string& parent = "", const Labels& labels = {}) {
    ASSERT_TRUE(prepare("to be " + name, parent).ok());
    ASSERT_TRUE(commit(name, "to be " + name, labels).ok());
  }

  SnapshotterStack stack_;
  const std::string socket_ = stack_.path() + "/run/snapshotter.sock";
  std::unique_ptr<Server> server_;
  std::unique_ptr<api::Snapshots::Stub> stub_;
  api::PrepareSnapshotResponse mounts_;
  grpc::Status list_status_;
};

TEST_F(SnapshotsServiceTest, PrepareCommitAndPrepareAgain) {
  ASSERT_TRUE(prepare("default/1/extract-1 x").ok());
  ASSERT_EQ(mounts_.mounts_size(), 1);
  EXPECT_EQ(mounts_.mounts(0).type(), "bind");
  ASSERT_TRUE(commit("default/2/base", "default/1/extract-1 x").ok());

  ASSERT_TRUE(prepare("default/3/container", "default/2/base").ok());

  ASSERT_EQ(mounts_.mounts_size(), 1);
  EXPECT_EQ(mounts_.mounts(0).type(), "overlay");
  api::MountsResponse again;
  ASSERT_TRUE(mounts("default/3/container", &again).ok());
  EXPECT_EQ(again.SerializeAsString(), mounts_.SerializeAsString());
}

TEST_F(SnapshotsServiceTest, AnswersWithTheCodesThatContainerdActsOn) {
  committed("base");
  ASSERT_TRUE(prepare("active", "base").ok());
  ASSERT_TRUE(view("view", "base").ok());
  api::MountsResponse ignored;
  api::Info updated, missing;
  missing.set_name("missing");

  EXPECT_EQ(prepare("active", "base").error_code(), StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(prepare("x", "missing").error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(prepare("x", "active").error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(view("x", "view").error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(commit("base", "active").error_code(), StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(commit("new", "missing").error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(commit("new", "view").error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(mounts("base", &ignored).error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(mounts("missing", &ignored).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(stat("missing").error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(remove("missing").error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(update(missing, {}, &updated).error_code(), StatusCode::NOT_FOUND);
  const grpc::Status with_children = remove("base");
  EXPECT_EQ(with_children.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(with_children.error_message(), HasSubstr("remove"));
}

TEST_F(SnapshotsServiceTest, ARemoteLayerIsAnsweredAsContainerdExpects) {
  const TestLayer layer = make_file_layer("f", "x");
  const std::string target = chain_ids({layer})[0];
  stack_.site().has(layer);

  const grpc::Status status = prepare("default/1/extract-1 " + target, "", cri_labels(target, layer, "python"));

  EXPECT_EQ(status.error_code(), StatusCode::ALREADY_EXISTS);
  const auto found = list({str_cat("labels.\"containerd.io/snapshot.ref\"==", target, ",parent==\"\"")});
  ASSERT_EQ(found.size(), 1u);
  api::Info info;
  ASSERT_TRUE(stat(found[0], &info).ok());
  EXPECT_EQ(info.kind(), api::COMMITTED);
  EXPECT_EQ(info.labels().at("containerd.io/snapshot.ref"), target);
}

TEST_F(SnapshotsServiceTest, StatTellsKindParentLabelsAndTimes) {
  committed("base", "", {{"a", "b"}});
  ASSERT_TRUE(prepare("active", "base").ok());
  api::Info base, active;

  ASSERT_TRUE(stat("base", &base).ok());
  ASSERT_TRUE(stat("active", &active).ok());

  EXPECT_EQ(base.kind(), api::COMMITTED);
  EXPECT_EQ(base.labels().at("a"), "b");
  EXPECT_EQ(base.parent(), "");
  EXPECT_EQ(active.kind(), api::ACTIVE);
  EXPECT_EQ(active.parent(), "base");
  EXPECT_EQ(active.created_at().seconds(),
            std::chrono::duration_cast<std::chrono::seconds>(stack_.clock().wall_now().time_since_epoch()).count());
}

TEST_F(SnapshotsServiceTest, UpdateFollowsTheMask) {
  committed("base", "", {{"keep", "1"}, {"drop", "2"}});
  api::Info before, wanted, updated;
  ASSERT_TRUE(stat("base", &before).ok());
  wanted.set_name("base");
  wanted.set_parent("another");  // ignored
  (*wanted.mutable_labels())["new"] = "3";
  stack_.clock().advance(std::chrono::nanoseconds(7));

  ASSERT_TRUE(update(wanted, {"labels.new", "labels.drop"}, &updated).ok());

  EXPECT_THAT(Labels(updated.labels().begin(), updated.labels().end()),
              UnorderedElementsAre(std::pair<const std::string, std::string>("keep", "1"),
                                   std::pair<const std::string, std::string>("new", "3")));
  EXPECT_EQ(updated.parent(), "");
  EXPECT_EQ(updated.created_at().nanos(), before.created_at().nanos());
  EXPECT_EQ(updated.updated_at().nanos(), before.updated_at().nanos() + 7);
  EXPECT_EQ(update(wanted, {"parent"}, &updated).error_code(), StatusCode::INVALID_ARGUMENT);
  ASSERT_TRUE(update(wanted, {}, &updated).ok());
  EXPECT_EQ(updated.labels_size(), 1);
}

TEST_F(SnapshotsServiceTest, ListFiltersOverViewsAndActives) {
  committed("base", "", {{"x", "1"}});
  ASSERT_TRUE(prepare("active", "base", {{"x", "2"}}).ok());
  ASSERT_TRUE(view("view", "base").ok());

  EXPECT_THAT(list({}), ElementsAre("active", "base", "view"));
  EXPECT_THAT(list({"kind==view"}), ElementsAre("view"));
  EXPECT_THAT(list({"kind==view", "kind==active"}), ElementsAre("active", "view"));
  EXPECT_THAT(list({"parent==base,labels.x==2"}), ElementsAre("active"));
  EXPECT_THAT(list({"labels.x"}), ElementsAre("active", "base"));
  EXPECT_THAT(list({"name==none"}), IsEmpty());
  EXPECT_TRUE(list_status_.ok());
  (void)list({"name=x"});
  EXPECT_EQ(list_status_.error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(SnapshotsServiceTest, ListComesInBatchesOfAHundred) {
  for (int i = 0; i < 205; ++i) ASSERT_TRUE(prepare(str_cat("key ", i)).ok());
  std::vector<int> batches;

  const auto names = list({}, &batches);

  EXPECT_EQ(names.size(), 205u);
  EXPECT_THAT(batches, ElementsAre(100, 100, 5));
}

TEST_F(SnapshotsServiceTest, StatDuringAListDoesNotWaitForIt) {
  for (int i = 0; i < 150; ++i) ASSERT_TRUE(prepare(str_cat("key ", i)).ok());
  grpc::ClientContext context;
  const auto reader = stub_->List(&context, api::ListSnapshotsRequest());
  api::ListSnapshotsResponse batch;
  ASSERT_TRUE(reader->Read(&batch));

  EXPECT_TRUE(stat("key 7").ok());

  while (reader->Read(&batch)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(SnapshotsServiceTest, UsageAndCleanupAnswer) {
  ASSERT_TRUE(prepare("key").ok());
  api::UsageRequest request;
  request.set_key("key");
  api::UsageResponse usage;
  grpc::ClientContext usage_context, cleanup_context;
  google::protobuf::Empty empty;

  EXPECT_TRUE(stub_->Usage(&usage_context, request, &usage).ok());
  EXPECT_TRUE(stub_->Cleanup(&cleanup_context, api::CleanupRequest(), &empty).ok());

  EXPECT_EQ(usage.inodes(), 1);
  EXPECT_GT(usage.size(), -1);
}

TEST_F(SnapshotsServiceTest, AParentCannotBeChosenAtCommit) {
  ASSERT_TRUE(prepare("key").ok());
  api::CommitSnapshotRequest request;
  request.set_name("name");
  request.set_key("key");
  request.set_parent("other");
  grpc::ClientContext context;
  google::protobuf::Empty empty;

  EXPECT_EQ(stub_->Commit(&context, request, &empty).error_code(), StatusCode::UNIMPLEMENTED);
}

TEST_F(SnapshotsServiceTest, FiftyPreparesAtOnceAllSucceed) {
  committed("base");
  std::vector<std::thread> threads;
  std::atomic<int> succeeded{0};

  for (int i = 0; i < 50; ++i) {
    threads.emplace_back([&, i] {
      api::PrepareSnapshotRequest request;
      request.set_key(str_cat("container ", i));
      request.set_parent("base");
      api::PrepareSnapshotResponse response;
      grpc::ClientContext context;
      succeeded += stub_->Prepare(&context, request, &response).ok() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(succeeded, 50);
}

}  // namespace
}  // namespace samara::snapshotter
