#include "connection_record.h"

#include <gtest/gtest.h>
#include <linux/fuse.h>

#include <cstring>

#include "base/file.h"

namespace samara::fuse_fs {
namespace {

template <typename Header, typename Body>
std::string message(Header header, const Body& body) {
  header.len = sizeof header + sizeof body;
  std::string bytes(header.len, '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + sizeof header, &body, sizeof body);
  return bytes;
}

Agreement agreement(std::uint32_t offered, std::uint32_t offered2, std::uint32_t taken) {
  fuse_in_header in{};
  in.opcode = FUSE_INIT;
  in.unique = 2;
  fuse_init_in wish{};
  wish.major = 7;
  wish.flags = offered;
  wish.flags2 = offered2;
  fuse_init_out answer{};
  answer.major = 7;
  answer.flags = taken;
  return {message(in, wish), message(fuse_out_header{}, answer)};
}

TEST(ConnectionRecord, ComesBackAsItWas) {
  const TempDir dir = TempDir::create("record").value();
  const ConnectionRecord record{"/mnt/a \"b\\", "0:77", agreement(FUSE_ASYNC_READ, 0, FUSE_ASYNC_READ)};

  ASSERT_TRUE(save(record, dir.path() + "/record").ok());
  const auto loaded = load_connection_record(dir.path() + "/record");

  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->mountpoint, record.mountpoint);
  EXPECT_EQ(loaded->device, record.device);
  EXPECT_EQ(loaded->agreement.request, record.agreement.request);
  EXPECT_EQ(loaded->agreement.reply, record.agreement.reply);
}

TEST(ConnectionRecord, IsRefusedWhenItIsDamaged) {
  const TempDir dir = TempDir::create("record").value();
  const std::string path = dir.path() + "/record";
  ASSERT_TRUE(save({"/mnt", "0:77", agreement(0, 0, 0)}, path).ok());
  const std::string good = read_file(path).value();
  EXPECT_TRUE(absl::IsNotFound(load_connection_record(path + "x").status()));

  for (const char* part : {"version = 1", "request = \"", "reply = \""}) {
    std::string bad = good;
    bad.replace(bad.find(part), std::strlen(part) + 2, "x = \"");
    ASSERT_TRUE(write_file_atomic(path, bad).ok());
    EXPECT_TRUE(absl::IsInvalidArgument(load_connection_record(path).status())) << bad;
  }
}

TEST(Agreement, OffersOnlyWhatWasTaken) {
  const Agreement before = agreement(FUSE_ASYNC_READ | FUSE_POSIX_LOCKS | FUSE_INIT_EXT, 0, FUSE_ASYNC_READ);

  const std::string again = request_again(before);

  fuse_init_in wish{};
  std::memcpy(&wish, again.data() + sizeof(fuse_in_header), sizeof wish);
  EXPECT_EQ(wish.flags, static_cast<std::uint32_t>(FUSE_ASYNC_READ));
  EXPECT_EQ(again.size(), before.request.size());
}

TEST(Agreement, AllowsIdMappedMountsWhereTheKernelOffersThem) {
  constexpr std::uint32_t kAllowIdmap = 1u << 8, kOther = 1u << 5;
  const auto taken = [](Agreement agreement) {
    allow_id_mapped_mounts(agreement);
    fuse_init_out answer{};
    std::memcpy(&answer, agreement.reply.data() + sizeof(fuse_out_header), sizeof answer);
    return std::pair(answer.flags, answer.flags2);
  };

  EXPECT_EQ(taken(agreement(FUSE_INIT_EXT, kAllowIdmap | kOther, FUSE_ASYNC_READ)),
            std::pair(static_cast<std::uint32_t>(FUSE_ASYNC_READ | FUSE_INIT_EXT), kAllowIdmap));
  EXPECT_EQ(taken(agreement(FUSE_INIT_EXT, kOther, FUSE_ASYNC_READ)), std::pair(static_cast<std::uint32_t>(FUSE_ASYNC_READ), 0u));
  EXPECT_EQ(taken(agreement(0, kAllowIdmap, FUSE_ASYNC_READ)), std::pair(static_cast<std::uint32_t>(FUSE_ASYNC_READ), 0u));
}

TEST(Agreement, TellsWhetherTheKernelCanRepeatRequests) {
  constexpr std::uint32_t kResend = 1u << 7;
  EXPECT_TRUE(can_resend(agreement(FUSE_INIT_EXT, kResend, 0)));
  EXPECT_FALSE(can_resend(agreement(FUSE_INIT_EXT, 0, 0)));
  EXPECT_FALSE(can_resend(agreement(0, kResend, 0)));
}

TEST(Agreement, MustBeOne) {
  const Agreement good = agreement(0, 0, 0);
  EXPECT_TRUE(check(good).ok());

  EXPECT_FALSE(check({good.request.substr(1), good.reply}).ok());
  EXPECT_FALSE(check({good.request, good.reply.substr(1)}).ok());
  EXPECT_FALSE(check({std::string(good.request.size(), '\1'), good.reply}).ok());
  EXPECT_FALSE(check({"", ""}).ok());
}

}  // namespace
}  // namespace samara::fuse_fs
