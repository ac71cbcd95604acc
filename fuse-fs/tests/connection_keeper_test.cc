#include "fuse_fs/connection_keeper.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <thread>

#include "base/text.h"
#include "fd_passing.h"
#include "holder_socket.h"

namespace samara::fuse_fs {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

/// A descriptor that can be told from others.
Fd file_with(std::string_view text) {
  Fd file(::memfd_create("test", MFD_CLOEXEC));
  EXPECT_TRUE(pwrite_all(file.get(), as_bytes(text), 0).ok());
  return file;
}

std::string text_in(const Fd& file) {
  char text[64];
  const ssize_t size = ::pread(file.get(), text, sizeof text, 0);
  return size < 0 ? std::strerror(errno) : std::string(text, static_cast<std::size_t>(size));
}

std::vector<std::string> names(const std::map<std::string, Fd>& kept) {
  std::vector<std::string> out;
  for (const auto& [name, fd] : kept) out.push_back(name);
  return out;
}

/// Holders that tests start become our children, so that their end can be waited for.
class Holding : public testing::Test {
 protected:
  Holding() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }
  ~Holding() override {
    keeper_ = nullptr;
    for (const pid_t holder : holders()) ::kill(holder, SIGKILL);
    while (::waitpid(-1, nullptr, 0) > 0) continue;
  }

  ConnectionKeeper& connect(milliseconds abort_after = std::chrono::minutes(10)) {
    auto keeper = holder_keeper({.socket = socket(), .command = {TEST_HOLDER}, .abort_after = abort_after});
    EXPECT_TRUE(keeper.ok()) << keeper.status();
    keeper_ = *std::move(keeper);
    return *keeper_;
  }
  void die() { keeper_ = nullptr; }

  std::string socket() const { return dir_.path() + "/" + std::string(60, 'd') + "/holder.sock"; }

  static std::vector<pid_t> holders() {
    std::vector<pid_t> pids;
    const std::string children = read_file(str_cat("/proc/self/task/", ::getpid(), "/children")).value_or("");
    for (const char* at = children.c_str(); *at != '\0';) {
      char* end = nullptr;
      pids.push_back(static_cast<pid_t>(std::strtol(at, &end, 10)));
      at = *end == ' ' ? end + 1 : end;
    }
    return pids;
  }

  TempDir dir_ = TempDir::create(std::string(30, 't')).value();
  bool made_ = make_directories(dir_.path() + "/" + std::string(60, 'd')).ok();
  std::unique_ptr<ConnectionKeeper> keeper_;
};

TEST_F(Holding, GivesTheNextProcessWhatTheLastOneHad) {
  EXPECT_TRUE(connect().keep("a", file_with("first").get()).ok());
  EXPECT_TRUE(keeper_->keep("b", file_with("second").get()).ok());
  EXPECT_TRUE(keeper_->keep("b", file_with("third").get()).ok());
  die();

  const std::map<std::string, Fd> kept = connect().kept();

  ASSERT_THAT(names(kept), ElementsAre("a", "b"));
  EXPECT_EQ(text_in(kept.at("a")), "first");
  EXPECT_EQ(text_in(kept.at("b")), "third");
  EXPECT_EQ(holders().size(), 1u);
}

TEST_F(Holding, SurvivesACrashDuringATakeover) {
  EXPECT_TRUE(connect().keep("a", file_with("first").get()).ok());
  die();
  connect();
  die();

  EXPECT_THAT(names(connect().kept()), ElementsAre("a"));
}

TEST_F(Holding, ForgetsWhatItIsToldTo) {
  EXPECT_TRUE(connect().keep("a", file_with("first").get()).ok());
  EXPECT_TRUE(keeper_->keep("b", file_with("second").get()).ok());
  EXPECT_TRUE(keeper_->forget("a").ok());
  EXPECT_TRUE(keeper_->forget("never there").ok());
  die();

  EXPECT_THAT(names(connect().kept()), ElementsAre("b"));
}

TEST_F(Holding, EndsWhenNothingIsHeldAndNobodyIsThere) {
  EXPECT_TRUE(connect().keep("a", file_with("first").get()).ok());
  EXPECT_TRUE(keeper_->forget("a").ok());
  const std::vector<pid_t> holder = holders();
  ASSERT_EQ(holder.size(), 1u);

  die();

  int status = -1;
  EXPECT_EQ(::waitpid(holder[0], &status, 0), holder[0]);
  EXPECT_EQ(status, 0);
}

TEST_F(Holding, LetsGoWhenNobodyComesBackInTime) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Fd reading(ends[0]);
  Fd writing(ends[1]);
  EXPECT_TRUE(connect(milliseconds(1)).keep("a", writing.get()).ok());
  keeper_->serving();
  writing.reset();

  die();

  char byte;
  EXPECT_EQ(::read(reading.get(), &byte, 1), 0);  // at the end once nobody holds the other side
  EXPECT_TRUE(connect().kept().empty());
}

TEST_F(Holding, StartsADeadHolderAgainWithWhatItHeld) {
  EXPECT_TRUE(connect().keep("a", file_with("first").get()).ok());
  keeper_->serving();
  const std::vector<pid_t> first = holders();
  ASSERT_EQ(first.size(), 1u);

  ::kill(first[0], SIGKILL);
  ASSERT_EQ(::waitpid(first[0], nullptr, 0), first[0]);
  while (holders().empty()) std::this_thread::yield();
  while (!keeper_->keep("b", file_with("second").get()).ok()) std::this_thread::yield();
  die();

  EXPECT_THAT(names(connect().kept()), ElementsAre("a", "b"));
}

TEST_F(Holding, HasOneClientAtATime) {
  EXPECT_TRUE(connect().keep("a", file_with("first").get()).ok());

  const Fd second = connect_to_holder(socket()).value();
  const auto answer = receive_message(second.get());

  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->text, "busy");
}

TEST_F(Holding, AnswersNonsense) {
  connect();
  die();
  ASSERT_TRUE(start_holder(socket(), {TEST_HOLDER}).ok());
  const Fd client = connect_to_holder(socket()).value();

  for (const char* nonsense : {"keep", "keep a", " ", "hello99", "a much longer word than any other that there is"}) {
    ASSERT_TRUE(send_message(client.get(), nonsense).ok());
    EXPECT_EQ(receive_message(client.get())->text, "unknown") << nonsense;
  }
  ASSERT_TRUE(send_message(client.get(), std::string(1000, 'x')).ok());
  EXPECT_TRUE(absl::IsUnavailable(receive_message(client.get()).status()));
}

/// What systemd is for a service: a datagram socket.
class ServiceManager {
 public:
  explicit ServiceManager(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~ServiceManager() { ::unsetenv("NOTIFY_SOCKET"); }
  FdMessage hears() { return receive_message(socket_.get()).value(); }

 private:
  const Fd socket_;
};

TEST(Systemd, StoresDescriptors) {
  const TempDir dir = TempDir::create("notify").value();
  ServiceManager manager(dir.path() + "/socket");
  const auto keeper = systemd_keeper();
  ASSERT_NE(keeper, nullptr);

  EXPECT_TRUE(keeper->keep("mount", file_with("content").get()).ok());
  EXPECT_EQ(manager.hears().text, "FDSTOREREMOVE=1\nFDNAME=mount");
  const FdMessage stored = manager.hears();
  EXPECT_EQ(stored.text, "FDSTORE=1\nFDNAME=mount");
  EXPECT_EQ(text_in(stored.fd), "content");

  EXPECT_TRUE(keeper->forget("mount").ok());
  EXPECT_EQ(manager.hears().text, "FDSTOREREMOVE=1\nFDNAME=mount");
}

TEST(Systemd, GivesThemBack) {
  const TempDir dir = TempDir::create("notify").value();
  ServiceManager manager(dir.path() + "/socket");
  const Fd first = file_with("first"), second = file_with("second");
  const pid_t child = ::fork();
  if (child == 0) {
    const Fd high(::fcntl(second.get(), F_DUPFD, 100));
    ::dup2(first.get(), 3);
    ::dup2(high.get(), 4);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "2", 1);
    ::setenv("LISTEN_FDNAMES", "a:b", 1);
    const auto kept = systemd_keeper()->kept();
    const bool right = kept.size() == 2 && text_in(kept.at("a")) == "first" && text_in(kept.at("b")) == "second";
    ::_exit(right && std::getenv("LISTEN_FDS") == nullptr ? 0 : 1);
  }

  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Systemd, IsNoneWithoutAServiceManager) {
  ::unsetenv("NOTIFY_SOCKET");

  EXPECT_EQ(systemd_keeper(), nullptr);
  EXPECT_TRUE(notify_service_manager("READY=1").ok());
}

}  // namespace
}  // namespace samara::fuse_fs
