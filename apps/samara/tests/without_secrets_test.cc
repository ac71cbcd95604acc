#include "without_secrets.h"

#include <gtest/gtest.h>

namespace samara::cli {
namespace {

TEST(WithoutSecrets, LeavesOutValuesOfOptionsThatHoldThem) {
  const std::string out = without_secrets(R"(root = "/var/lib"
password = "hunter2"
Registry_Password="hunter2"
#token = "hunter2"
urls = ["https://me:hunter2@a.example", "https://you:hun@ter2@b.example/x"]
secret = """
hunter2
hunter2"""
tokens = [
  "hunter2",
]
site_key = '''hunter2'''
name = "edge"
)");

  EXPECT_EQ(out.find("hunter2"), std::string::npos) << out;
  EXPECT_EQ(out.find("ter2"), std::string::npos) << out;
  EXPECT_NE(out.find("root = \"/var/lib\"\n"), std::string::npos);
  EXPECT_NE(out.find("https://(left out)@b.example/x"), std::string::npos) << out;
  EXPECT_NE(out.find("name = \"edge\"\n"), std::string::npos) << out;
}

TEST(WithoutSecrets, LeavesAnythingElseAsItIs) {
  EXPECT_EQ(without_credentials("see https://a.example/x@sha256:1 and me@b"), "see https://a.example/x@sha256:1 and me@b");
  EXPECT_EQ(without_credentials("https://me@b"), "https://(left out)@b");
  EXPECT_EQ(without_secrets(""), "");
}

}  // namespace
}  // namespace samara::cli
