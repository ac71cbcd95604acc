// An image on disk, and what takes it to a registry and back.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "child_process.h"
#include "tar_builder.h"

namespace samara::registry_proxy {

// A port of 127.0.0.1 that nobody listens on now.
inline std::uint16_t free_port() {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

// An OCI layout on disk with one image of two layers, tagged "1".
class Layout {
 public:
  explicit Layout(const std::string& directory) : directory_(directory) {
    EXPECT_TRUE(make_directories(directory_ + "/blobs/sha256").ok());
    std::string layers, diff_ids;
    for (const char* name : {"first", "second"}) {
      std::string content;
      for (int i = 0; i < 200'000; ++i) str_append(&content, name, i * 7919 % 100'003, "\n");
      const std::string tar = convert::TarBuilder().directory("opt/").file(str_cat("opt/", name), content).end();
      const std::string bytes = convert::gzip(tar);
      const std::string_view comma = layers.empty() ? "" : ",";
      layer_bytes.push_back(bytes);
      str_append(&layers, comma, add("application/vnd.oci.image.layer.v1.tar+gzip", bytes));
      str_append(&diff_ids, comma, "\"", cache_index::sha256(as_bytes(tar)).to_string(), "\"");
    }
    const std::string config = add(
        "application/vnd.oci.image.config.v1+json",
        str_cat(R"({"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[)", diff_ids,
                "]}}"));
    manifest = str_cat(
        R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)", config,
        R"(,"layers":[)", layers, "]}");
    std::string entry = add("application/vnd.oci.image.manifest.v1+json", manifest);
    entry.insert(entry.size() - 1, R"(,"annotations":{"org.opencontainers.image.ref.name":"1"})");
    write("/index.json", str_cat(R"({"schemaVersion":2,"manifests":[)", entry, "]}"));
    write("/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  }

  std::string manifest;
  std::vector<std::string> layer_bytes;

 private:
  void write(const std::string& path, std::string_view content) {
    EXPECT_TRUE(write_file_atomic(directory_ + path, content).ok());
  }
  std::string add(std::string_view media_type, std::string_view bytes) {
    const Digest digest = cache_index::sha256(as_bytes(bytes));
    write("/blobs/sha256/" + digest.hex(), bytes);
    return str_cat(R"({"mediaType":")", media_type, R"(","digest":")", digest.to_string(), R"(","size":)", bytes.size(),
                   "}");
  }

  const std::string directory_;
};

// `skopeo copy` without a policy file: its exit code and output.
inline std::pair<int, std::string> skopeo_copy(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"skopeo", "copy", "--insecure-policy"});
  ChildProcess skopeo(std::move(arguments));
  const int code = skopeo.wait();
  return {code, skopeo.output()};
}

}  // namespace samara::registry_proxy
