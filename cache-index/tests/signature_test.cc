#include "cache_index/signature.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "absl/strings/escaping.h"
#include "base/file.h"
#include "base/text.h"

namespace samara::cache_index {
namespace {

using ::testing::HasSubstr;

struct Signature : ::testing::Test {
  TempDir dir = *TempDir::create("signature");
  std::string path = dir.path() + "/key";
};

TEST_F(Signature, IsWhatRfc8032Says) {  // section 7.1, TEST 2
  ASSERT_TRUE(write_file_atomic(path, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").ok());
  const absl::StatusOr<SigningKey> key = SigningKey::load_or_create(path);
  ASSERT_TRUE(key.ok()) << key.status();

  EXPECT_EQ(absl::BytesToHexString(key->public_key()),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  EXPECT_EQ(absl::BytesToHexString(key->sign("\x72")),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
}

TEST_F(Signature, IsOfOneKeyAndOneMessage) {
  const SigningKey key = *SigningKey::load_or_create(path), other = *SigningKey::load_or_create(path + "2");
  const std::string signature = key.sign("a message");

  EXPECT_TRUE(is_signed(key.public_key(), "a message", signature));
  EXPECT_FALSE(is_signed(key.public_key(), "another message", signature));
  EXPECT_FALSE(is_signed(other.public_key(), "a message", signature));
  EXPECT_FALSE(is_signed(key.public_key(), "a message", std::string(kSignatureBytes, 'x')));
  EXPECT_FALSE(is_signed(key.public_key(), "a message", ""));
  EXPECT_FALSE(is_signed("", "a message", signature));
}

TEST_F(Signature, KeyStaysAndIsForItsOwnerOnly) {
  const std::string first = SigningKey::load_or_create(path)->public_key();

  EXPECT_EQ(SigningKey::load_or_create(path)->public_key(), first);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(Signature, RefusesAFileWithoutAKey) {
  ASSERT_TRUE(write_file_atomic(path, "not a key").ok());

  const absl::Status status = SigningKey::load_or_create(path).status();

  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(to_std(status.message()), HasSubstr(path));
}

}  // namespace
}  // namespace samara::cache_index
