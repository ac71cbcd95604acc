#include "snapshotter/server.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "node.grpc.pb.h"

namespace samara::snapshotter {
namespace {

using ::testing::HasSubstr;

class ServerTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Server>> serve() {
    return serve_node({.status = [] { return NodeStatus{}; }, .cache = *cache_}, socket_);
  }
  bool answers() {
    const auto stub = node::v1::Node::NewStub(grpc::CreateChannel("unix:" + socket_, grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    node::v1::StatusResponse response;
    return stub->Status(&context, node::v1::StatusRequest(), &response).ok();
  }
  // A socket file that a killed process left.
  void leave_a_stale_socket() {
    const Fd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket_.c_str(), sizeof(address.sun_path) - 1);
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }

  TempDir directory_ = *TempDir::create("server");
  std::unique_ptr<cache_index::Cache> cache_ = *cache_index::Cache::open({.root = directory_.path() + "/cache"});
  std::string socket_ = directory_.path() + "/n.sock";
};

TEST_F(ServerTest, OnlyTheOwnerMayConnect) {
  const auto server = serve();

  ASSERT_TRUE(server.ok()) << server.status();
  struct stat stat;
  ASSERT_EQ(::lstat(socket_.c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode, S_IFSOCK | 0600u);
  EXPECT_TRUE(answers());
}

TEST_F(ServerTest, MakesTheDirectoryOfItsSocketAndLeavesNothingElseThere) {
  socket_ = directory_.path() + "/run/samara/n.sock";

  const auto server = serve();

  ASSERT_TRUE(server.ok()) << server.status();
  int entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path() + "/run/samara")) {
    EXPECT_EQ(entry.path(), socket_);
    ++entries;
  }
  EXPECT_EQ(entries, 1);
}

TEST_F(ServerTest, ReplacesAStaleSocket) {
  leave_a_stale_socket();

  const auto server = serve();

  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_TRUE(answers());
}

TEST_F(ServerTest, LeavesASocketAloneThatIsAnswered) {
  const auto first = serve();
  ASSERT_TRUE(first.ok()) << first.status();

  const auto second = serve();

  EXPECT_TRUE(absl::IsAlreadyExists(second.status()));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(socket_));
  EXPECT_TRUE(answers());
}

TEST_F(ServerTest, RefusesAFileThatIsNoSocket) {
  ASSERT_TRUE(write_file_atomic(socket_, "precious").ok());

  EXPECT_TRUE(absl::IsAlreadyExists(serve().status()));

  EXPECT_EQ(*read_file(socket_), "precious");
}

TEST_F(ServerTest, RefusesAPathThatASocketCannotHave) {
  socket_ = directory_.path() + "/" + std::string(120, 'x');
  EXPECT_TRUE(absl::IsInvalidArgument(serve().status()));
  socket_ = "relative";
  EXPECT_TRUE(absl::IsInvalidArgument(serve().status()));
}

TEST_F(ServerTest, StopsAndGivesTheSocketBack) {
  {
    const auto server = serve();
    ASSERT_TRUE(server.ok());
    (*server)->stop();
  }

  EXPECT_FALSE(answers());
  EXPECT_NE(::access(socket_.c_str(), F_OK), 0);
  EXPECT_TRUE(serve().ok());
}

}  // namespace
}  // namespace samara::snapshotter
