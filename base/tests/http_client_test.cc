#include "base/http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>
#include <set>
#include <thread>

#include "base/file.h"
#include "base/http/server.h"
#include "base/text.h"
#include "raw_connection.h"

namespace samara::http {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kBlob = "0123456789abcdefghij";

std::unique_ptr<Server> serve(Handler handler) {
  auto server = Server::create({}, std::move(handler));
  EXPECT_TRUE(server.ok()) << server.status();
  return std::move(*server);
}

ClientRequest request_to(const Server& server, std::string_view path) {
  ClientRequest request;
  request.url = str_cat("http://127.0.0.1:", server.port(), path);
  return request;
}

void serve_blob_range(const Request& request, ResponseWriter& out) {
  const auto range = parse_range(request.headers.get("Range"), kBlob.size());
  if (!range.ok()) return (void)out.respond(416);
  out.header("Content-Range", str_cat("bytes ", range->begin, "-", range->end - 1, "/", kBlob.size()));
  (void)out.respond(206, kBlob.substr(range->begin, range->size()));
}

TEST(HttpClient, GetsStatusHeadersAndBody) {
  const auto server = serve([](const Request& request, ResponseWriter& out) {
    out.header("X-Said", request.headers.get("X-Say"));
    (void)out.respond(404, "not here", "text/plain");
  });
  Client client;
  ClientRequest request = request_to(*server, "/thing");
  request.headers.add("X-Say", "hello");

  const auto response = client.get(request);

  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->head.status, 404);
  EXPECT_EQ(response->head.headers.get("x-said"), "hello");
  EXPECT_EQ(response->body, "not here");
}

TEST(HttpClient, SendsThePathAsItIs) {
  const auto server = serve([](const Request& request, ResponseWriter& out) { (void)out.respond(200, request.target.path); });
  Client client;

  EXPECT_EQ(client.get(request_to(*server, "/a/../b/./c"))->body, "/a/../b/./c");
}

TEST(HttpClient, FetchesExactlyTheRangeAskedFor) {
  const auto server = serve(serve_blob_range);
  Client client;
  ClientRequest request = request_to(*server, "/");
  request.range = ByteRange{5, 15};

  const auto response = client.get(request);

  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, kBlob.substr(5, 10));
  const auto range = parse_content_range(response->head.headers.get("Content-Range"));
  ASSERT_TRUE(range.ok());
  EXPECT_EQ(range->range, (ByteRange{5, 15}));
}

TEST(HttpClient, UsesAConnectionAgain) {
  std::mutex mutex;
  std::set<std::string> peers;
  const auto server = serve([&](const Request& request, ResponseWriter& out) {
    const std::lock_guard lock(mutex);
    peers.insert(request.peer);
    (void)out.respond(200, "ok");
  });
  Client client;

  for (int i = 0; i < 5; ++i) EXPECT_TRUE(client.get(request_to(*server, "/")).ok());

  EXPECT_EQ(peers.size(), 1u);
}

TEST(HttpClient, ServesManyThreadsAtOnce) {
  const auto server = serve(serve_blob_range);
  Client client;
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 0; t < 8; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 20; ++i) {
          ClientRequest request = request_to(*server, "/");
          request.range = ByteRange{t, t + 3};
          const auto response = client.get(request);
          if (response.ok() && response->body == kBlob.substr(t, 3)) ++right;
        }
      });
  }

  EXPECT_EQ(right, 160);
}

TEST(HttpClient, SendsHeadAndExpectsNoBody) {
  const auto server = serve([](const Request&, ResponseWriter& out) { (void)out.respond(200, kBlob); });
  Client client;
  ClientRequest request = request_to(*server, "/");
  request.method = "HEAD";

  const auto response = client.get(request);

  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->head.headers.get("Content-Length"), str_cat(kBlob.size()));
  EXPECT_EQ(response->body, "");
}

TEST(HttpClient, TellsABodyThatIsShorterThanAnnounced) {
  const auto server = serve([](const Request&, ResponseWriter& out) {
    (void)out.begin(200, 100);
    (void)out.write(as_bytes("half"));
  });
  Client client;

  EXPECT_EQ(client.get(request_to(*server, "/")).status().code(), absl::StatusCode::kUnavailable);
}

TEST(HttpClient, RefusesABodyAboveTheLimit) {
  const auto server = serve([](const Request&, ResponseWriter& out) { (void)out.respond(200, kBlob); });
  Client client;

  EXPECT_TRUE(client.get(request_to(*server, "/"), kBlob.size()).ok());
  EXPECT_EQ(client.get(request_to(*server, "/"), kBlob.size() - 1).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(HttpClient, LeavesEncodedBodiesAsTheyAre) {
  const auto server = serve([](const Request& request, ResponseWriter& out) {
    EXPECT_EQ(request.headers.get("Accept-Encoding"), "identity");
    out.header("Content-Encoding", "gzip");
    (void)out.respond(200, "not gzip at all");
  });
  Client client;

  const auto response = client.get(request_to(*server, "/"));

  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, "not gzip at all");
}

TEST(HttpClient, ReturnsTheCallersErrorAsItIs) {
  const auto server = serve([](const Request&, ResponseWriter& out) { (void)out.respond(200, kBlob); });
  Client client;
  const auto fine = [](const auto&) { return absl::OkStatus(); };

  const absl::Status at_head = client.stream(
      request_to(*server, "/"), [](const ResponseHead&) { return absl::NotFoundError("head"); }, fine);
  const absl::Status at_body = client.stream(request_to(*server, "/"), fine,
                                             [](std::span<const std::uint8_t>) { return absl::DataLossError("body"); });

  EXPECT_EQ(at_head, absl::NotFoundError("head"));
  EXPECT_EQ(at_body, absl::DataLossError("body"));
}

TEST(HttpClient, GivesTheHeadOnceAndOnlyTheLast) {
  const auto server = serve([](const Request& request, ResponseWriter& out) {
    if (request.target.path == "/end") return (void)out.respond(200, "here");
    out.header("Location", "/end");
    (void)out.respond(307, "go there");
  });
  Client client;
  ClientRequest request = request_to(*server, "/start");
  std::vector<int> heads;
  std::string body;
  const auto take_head = [&](const ResponseHead& head) {
    heads.push_back(head.status);
    return absl::OkStatus();
  };
  const auto take_body = [&](std::span<const std::uint8_t> data) {
    body += as_text(data);
    return absl::OkStatus();
  };

  request.follow_redirects = true;
  const absl::Status followed = client.stream(request, take_head, take_body);
  request.follow_redirects = false;
  const absl::Status not_followed = client.stream(request, take_head, take_body);

  EXPECT_TRUE(followed.ok()) << followed;
  EXPECT_TRUE(not_followed.ok()) << not_followed;
  EXPECT_EQ(heads, (std::vector<int>{200, 307}));
  EXPECT_EQ(body, "herego there");
}

TEST(HttpClient, KeepsAuthorizationFromOtherHosts) {
  std::string seen = "never asked";
  const auto storage = serve([&](const Request& request, ResponseWriter& out) {
    seen = request.headers.get("Authorization");
    (void)out.respond(200, "blob");
  });
  const auto registry = serve([&](const Request& request, ResponseWriter& out) {
    EXPECT_EQ(request.headers.get("Authorization"), "Bearer secret");
    out.header("Location", str_cat("http://localhost:", storage->port(), "/blob"));
    (void)out.respond(302);
  });
  Client client;
  ClientRequest request = request_to(*registry, "/");
  request.headers.add("Authorization", "Bearer secret");
  request.follow_redirects = true;

  const auto response = client.get(request);

  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, "blob");
  EXPECT_EQ(seen, "");
}

TEST(HttpClient, EndsARedirectLoop) {
  const auto server = serve([](const Request&, ResponseWriter& out) {
    out.header("Location", "/");
    (void)out.respond(302);
  });
  Client client;
  ClientRequest request = request_to(*server, "/");
  request.follow_redirects = true;

  EXPECT_FALSE(client.get(request).ok());
}

TEST(HttpClient, FollowsNoRedirectToAFile) {
  const auto server = serve([](const Request&, ResponseWriter& out) {
    out.header("Location", "file:///etc/passwd");
    (void)out.respond(302);
  });
  Client client;
  ClientRequest request = request_to(*server, "/");
  request.follow_redirects = true;

  EXPECT_EQ(client.get(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(HttpClient, GivesUpOnASilentServer) {
  std::counting_semaphore<> done(0);
  const auto server = serve([&](const Request& request, ResponseWriter& out) {
    if (request.target.path == "/body") {
      (void)out.begin(200, 100);
      (void)out.write(as_bytes("some"));
    }
    done.acquire();
  });
  Client client;

  for (const char* path : {"/head", "/body"}) {
    ClientRequest request = request_to(*server, path);
    request.idle_timeout = milliseconds(30);
    EXPECT_EQ(client.get(request).status().code(), absl::StatusCode::kDeadlineExceeded) << path;
  }
  done.release(2);  // both at the end: a handler that starts late must not take the other's
}

TEST(HttpClient, StopsWhenTold) {
  std::binary_semaphore asked(0), done(0);
  const auto server = serve([&](const Request&, ResponseWriter&) {
    asked.release();
    done.acquire();
  });
  Client client;
  std::stop_source stop;
  ClientRequest request = request_to(*server, "/");
  request.stop = stop.get_token();
  std::jthread stopper([&] {
    asked.acquire();
    stop.request_stop();
  });

  const auto response = client.get(request);
  done.release();

  EXPECT_EQ(response.status().code(), absl::StatusCode::kCancelled);
}

TEST(HttpClient, TellsWhenNobodyListens) {
  auto server = serve([](const Request&, ResponseWriter& out) { (void)out.respond(200); });
  const ClientRequest request = request_to(*server, "/");
  server->stop();
  Client client;

  EXPECT_EQ(client.get(request).status().code(), absl::StatusCode::kUnavailable);
}

TEST(HttpClient, RefusesWhatIsNotAnHttpUrlOrWouldForgeALine) {
  Client client;
  for (const char* url : {"", "file:///etc/passwd", "ftp://host/", "host/path", "http://a b/", "http://a/\r\nX: y"}) {
    ClientRequest request;
    request.url = url;
    EXPECT_EQ(client.get(request).status().code(), absl::StatusCode::kInvalidArgument) << url;
  }
  ClientRequest request;
  request.url = "http://127.0.0.1:1/";
  request.headers.add("X", "a\r\nY: b");
  EXPECT_EQ(client.get(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(HttpClient, TellsNoSecretInItsErrors) {
  auto server = serve([](const Request&, ResponseWriter& out) { (void)out.respond(200); });
  const std::uint16_t port = server->port();
  server->stop();
  Client client;
  ClientRequest request;
  request.url = str_cat("http://user:hunter2@127.0.0.1:", port, "/blob?signature=hunter2");
  request.headers.add("Authorization", "Bearer hunter2");

  const std::string message(client.get(request).status().message());

  EXPECT_THAT(message, HasSubstr(str_cat("http://127.0.0.1:", port, "/blob")));
  EXPECT_THAT(message, Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace samara::http
