#include "token_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace samara::registry_proxy {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pointee;

TEST(TokenTable, KnowsWhoseATokenIs) {
  const auto table = TokenTable::parse(
      "# nodes\n\nnode-1 0123456789abcdef\n  ci\tabcdef0123456789-_~!  \nnode-1 0123456789abcdeg\r\n", "tokens");

  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->size(), 3u);
  EXPECT_THAT(table->find("0123456789abcdef"), Pointee(std::string("node-1")));
  EXPECT_THAT(table->find("0123456789abcdeg"), Pointee(std::string("node-1")));
  EXPECT_THAT(table->find("abcdef0123456789-_~!"), Pointee(std::string("ci")));
  for (const std::string& other : {std::string(), std::string("node-1"), std::string("0123456789abcde"),
                                   std::string("0123456789abcdefg"), std::string(5000, 'x')})
    EXPECT_EQ(table->find(other), nullptr) << other;
}

TEST(TokenTable, MayBeEmpty) {
  const auto table = TokenTable::parse("", "tokens");

  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->find(""), nullptr);
}

TEST(TokenTable, NamesTheLineThatIsWrongAndNoToken) {
  for (const char* line :
       {"0123456789abcdef", "node 0123456789abcdef extra", "no/de 0123456789abcdef", "node 0123456789abcde",
        "node 0123456789abcdef\xc3\xa4", "other 0000000000000000"}) {
    const absl::Status status =
        TokenTable::parse(std::string("node 0000000000000000\n") + line + "\n", "the-file").status();

    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << line;
    EXPECT_THAT(std::string(status.message()), HasSubstr("the-file:2: "));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("0123456789")));
  }
}

TEST(SecretOf, TakesTheTokenOfBearerAndThePasswordOfBasic) {
  EXPECT_EQ(secret_of("Bearer abc"), "abc");
  EXPECT_EQ(secret_of("bearer  abc "), "abc");
  EXPECT_EQ(secret_of("Basic dXNlcjpwYXNz"), "pass");
  EXPECT_EQ(secret_of("BASIC OnA6YTpzcw=="), "p:a:ss");  // ":p:a:ss", no user name
  for (const char* other : {"", "Bearer", "Basic", "Basic !", "Basic dXNlcg==", "Digest abc", "Bearerabc", "abc"})
    EXPECT_EQ(secret_of(other), std::nullopt) << other;
}

}  // namespace
}  // namespace samara::registry_proxy
