#include "base/http/server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <semaphore>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "raw_connection.h"

namespace samara::http {
namespace {

using std::chrono::milliseconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::unique_ptr<Server> serve(Handler handler, Server::Options options = {}) {
  auto server = Server::create(std::move(options), std::move(handler));
  EXPECT_TRUE(server.ok()) << server.status();
  return std::move(*server);
}

void say_path(const Request& request, ResponseWriter& out) {
  (void)out.respond(200, str_cat(request.method, " ", request.target.path), "text/plain");
}

std::string answer_to(const Server& server, std::string_view request) {
  RawConnection client(server.port());
  client.send(request);
  return client.read_to_end();
}

TEST(HttpServer, AnswersARequestWithItsLengthAndType) {
  const auto server = serve(say_path);

  const std::string answer = answer_to(*server, "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nContent-Length: 6\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nContent-Type: text/plain\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nDate: "));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nGET /x"));
}

TEST(HttpServer, ServesManyRequestsOnOneConnection) {
  std::atomic<int> peers_seen{0};
  std::string first_peer;
  const auto server = serve([&](const Request& request, ResponseWriter& out) {
    if (first_peer.empty()) first_peer = request.peer;
    if (request.peer == first_peer) ++peers_seen;
    say_path(request, out);
  });
  RawConnection client(server->port());

  for (int i = 0; i < 3; ++i) {
    client.send("GET /again HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_THAT(client.read_until("GET /again"), EndsWith("GET /again"));
  }

  EXPECT_EQ(peers_seen, 3);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  const auto server = serve(say_path);

  const std::string answer = answer_to(*server,
                                       "GET /one HTTP/1.1\r\nHost: a\r\n\r\nHEAD /two HTTP/1.1\r\nHost: a\r\n\r\n"
                                       "GET /three HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

  EXPECT_LT(answer.find("GET /one"), answer.find("Content-Length: 9"));  // the head of HEAD /two
  EXPECT_LT(answer.find("Content-Length: 9"), answer.find("GET /three"));
  EXPECT_THAT(answer, Not(HasSubstr("HEAD /two")));
}

TEST(HttpServer, TakesARequestThatArrivesByteByByte) {
  const auto server = serve(say_path);
  RawConnection client(server->port());

  for (const char c : std::string("\r\nGET /slow HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n")) client.send({&c, 1});

  EXPECT_THAT(client.read_until("GET /slow"), EndsWith("GET /slow"));
}

TEST(HttpServer, ClosesAfterAnHttp10RequestUnlessAskedToStay) {
  const auto server = serve(say_path);

  const std::string closed = answer_to(*server, "GET /old HTTP/1.0\r\n\r\n");
  RawConnection staying(server->port());
  staying.send("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const std::string first = staying.read_until("GET /1");
  staying.send("GET /2 HTTP/1.0\r\n\r\n");

  EXPECT_THAT(closed, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(first, HasSubstr("\r\nConnection: keep-alive\r\n"));
  EXPECT_THAT(staying.read_to_end(), EndsWith("GET /2"));
}

TEST(HttpServer, RefusesMalformedRequestsAndStaysUp) {
  const auto server = serve(say_path);
  const std::string kHost = "Host: a\r\n";

  const std::vector<std::string> bad_requests = {
      "hello\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET  / HTTP/1.1\r\n" + kHost + "\r\n",
      "GET /%zz HTTP/1.1\r\n" + kHost + "\r\n",
      "GET nowhere HTTP/1.1\r\n" + kHost + "\r\n",
      "GET / HTTP/1.1\r\n" + kHost + kHost + "\r\n",
      "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
      "GET / HTTP/1.1\r\n" + kHost + "Content-Length: -1\r\n\r\n",
      "GET / HTTP/1.1\r\n" + kHost + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
      std::string("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 33),
      std::string("\x16\x03\x01\x02\x00\x01\x00\x01", 8),  // a TLS client
  };

  for (const std::string& bad : bad_requests)
    EXPECT_THAT(answer_to(*server, bad), StartsWith("HTTP/1.1 400 ")) << bad;

  EXPECT_THAT(answer_to(*server, "GET / HTTP/2.0\r\n\r\n"), StartsWith("HTTP/1.1 505 "));
  EXPECT_THAT(answer_to(*server, "GET /ok HTTP/1.0\r\n\r\n"), EndsWith("GET /ok"));
}

TEST(HttpServer, RefusesAHeadOfMoreThan64KiB) {
  const auto server = serve(say_path);

  const std::string answer =
      answer_to(*server, "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n");

  EXPECT_THAT(answer, StartsWith("HTTP/1.1 431 "));
}

TEST(HttpServer, RefusesToReadABodyBeforeTheHandlerSeesIt) {
  std::atomic<int> handled{0};
  const auto server = serve([&](const Request& request, ResponseWriter& out) {
    ++handled;
    say_path(request, out);
  });

  const std::string sized = answer_to(*server, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
  const std::string chunked =
      answer_to(*server, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
  const std::string asks_first =
      answer_to(*server, "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");

  EXPECT_THAT(sized, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(sized, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(chunked, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(asks_first, StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(handled, 0);
}

TEST(HttpServer, NeverTakesABodyForTheNextRequest) {
  std::atomic<int> handled{0};
  const auto server = serve([&](const Request& request, ResponseWriter& out) {
    ++handled;
    (void)out.respond(405, request.method);
  });

  const std::string answer = answer_to(
      *server, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");

  EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(answer, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(answer, ::testing::EndsWith("\r\n\r\nPUT"));
  EXPECT_EQ(handled, 1);
}

TEST(HttpServer, TakesAnEmptyBodyAndAnExpectationThatIsMet) {
  const auto server = serve(say_path);

  const std::string answer =
      answer_to(*server, "POST /p HTTP/1.0\r\nExpect: 100-Continue\r\nContent-Length: 0\r\n\r\n");

  EXPECT_THAT(answer, EndsWith("POST /p"));
  EXPECT_THAT(answer_to(*server, "GET / HTTP/1.0\r\nExpect: cake\r\n\r\n"), StartsWith("HTTP/1.1 417 "));
}

TEST(HttpServer, AnswersHeadWithTheSameHeadAndNoBody) {
  const auto server = serve([](const Request&, ResponseWriter& out) {
    ASSERT_TRUE(out.begin(200, 1000).ok());
    EXPECT_TRUE(out.is_head());
    EXPECT_TRUE(out.write(as_bytes("part of it")).ok());
  });
  RawConnection client(server->port());

  client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string first = client.read_until("\r\n\r\n");
  client.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

  EXPECT_THAT(first, HasSubstr("\r\nContent-Length: 1000\r\n"));
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 200 "));
}

TEST(HttpServer, SendsAFilesBytes) {
  const auto directory = TempDir::create("http");
  ASSERT_TRUE(directory.ok());
  std::string content;
  for (int i = 0; i < 300'000; ++i) str_append(&content, i, ",");
  const std::string path = directory->path() + "/file";
  ASSERT_TRUE(write_file_atomic(path, content).ok());
  const auto server = serve([&](const Request&, ResponseWriter& out) {
    const auto fd = open_file(path, O_RDONLY);
    ASSERT_TRUE(fd.ok());
    ASSERT_TRUE(out.begin(206, content.size() - 10).ok());
    EXPECT_TRUE(out.write_file(fd->get(), 10, content.size() - 10).ok());
  });

  const std::string answer = answer_to(*server, "GET / HTTP/1.0\r\n\r\n");

  EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), content.substr(10));
}

TEST(HttpServer, ClosesTheConnectionWhenABodyEndsShort) {
  const auto directory = TempDir::create("http");
  ASSERT_TRUE(directory.ok());
  ASSERT_TRUE(write_file_atomic(directory->path() + "/file", "12345").ok());
  const auto server = serve([&](const Request& request, ResponseWriter& out) {
    ASSERT_TRUE(out.begin(200, 100).ok());
    if (request.target.path == "/file") {
      const auto fd = open_file(directory->path() + "/file", O_RDONLY);
      EXPECT_EQ(out.write_file(fd->get(), 0, 100).code(), absl::StatusCode::kDataLoss);
    } else {
      EXPECT_TRUE(out.write(as_bytes("12345")).ok());
    }
  });

  for (const char* path : {"/file", "/memory"}) {
    const std::string answer = answer_to(*server, str_cat("GET ", path, " HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_THAT(answer, EndsWith("\r\n\r\n12345")) << path;
  }
}

TEST(HttpServer, RefusesToSendMoreThanPromised) {
  const auto server = serve([](const Request&, ResponseWriter& out) {
    ASSERT_TRUE(out.begin(200, 3).ok());
    EXPECT_EQ(out.write(as_bytes("1234")).code(), absl::StatusCode::kOutOfRange);
  });

  EXPECT_THAT(answer_to(*server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Not(HasSubstr("1234")));
}

TEST(HttpServer, AnswersAnErrorWhenTheHandlerGivesNothing) {
  const auto server = serve([](const Request& request, ResponseWriter& out) {
    if (request.target.path == "/promises") (void)out.begin(200, 10);
    if (request.target.path == "/throws") throw std::runtime_error("thrown");
  });

  for (const char* path : {"/", "/promises", "/throws"})
    EXPECT_THAT(answer_to(*server, str_cat("GET ", path, " HTTP/1.0\r\n\r\n")), StartsWith("HTTP/1.1 500 ")) << path;
}

TEST(HttpServer, LetsNoHeaderValueForgeALine) {
  const auto server = serve([](const Request&, ResponseWriter& out) {
    out.header("X", "a\r\nSet-Cookie: b");
    (void)out.respond(204);
  });

  const std::string answer = answer_to(*server, "GET / HTTP/1.0\r\n\r\n");

  EXPECT_THAT(answer, HasSubstr("\r\nX: a  Set-Cookie: b\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("Content-Length")));
}

TEST(HttpServer, TellsTheHandlerThatTheClientLeft) {
  std::promise<absl::Status> ended;
  const auto server = serve([&](const Request&, ResponseWriter& out) {
    const std::vector<std::uint8_t> block(1 << 20, 'x');
    ASSERT_TRUE(out.begin(200, std::uint64_t{1} << 40).ok());
    absl::Status status;
    while (status.ok()) status = out.write(block);
    ended.set_value(status);
  });
  RawConnection client(server->port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  client.read_exactly(100);

  client.close();

  EXPECT_EQ(ended.get_future().get().code(), absl::StatusCode::kCancelled);
}

TEST(HttpServer, GivesUpOnAClientThatReadsNothing) {
  std::promise<absl::Status> ended;
  Server::Options options;
  options.send_timeout = milliseconds(50);
  const auto server = serve(
      [&](const Request&, ResponseWriter& out) {
        const std::vector<std::uint8_t> block(1 << 20, 'x');
        ASSERT_TRUE(out.begin(200, std::uint64_t{1} << 40).ok());
        absl::Status status;
        while (status.ok()) status = out.write(block);
        ended.set_value(status);
      },
      options);
  RawConnection client(server->port(), 4096);

  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

  EXPECT_EQ(ended.get_future().get().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(HttpServer, ClosesAConnectionThatStaysSilent) {
  Server::Options options;
  options.idle_timeout = milliseconds(20);
  const auto server = serve(say_path, options);
  RawConnection silent(server->port()), half_said(server->port());

  half_said.send("GET / HTT");

  EXPECT_EQ(silent.read_to_end(), "");
  EXPECT_THAT(half_said.read_to_end(), StartsWith("HTTP/1.1 408 "));
}

TEST(HttpServer, LetsClientsBeyondTheLimitWait) {
  Server::Options options;
  options.max_connections = 1;
  const auto server = serve(say_path, options);
  RawConnection first(server->port()), second(server->port());
  first.send("GET /1 HTTP/1.1\r\n");
  second.send("GET /2 HTTP/1.0\r\n\r\n");

  first.close();

  EXPECT_THAT(second.read_to_end(), EndsWith("GET /2"));
}

TEST(HttpServer, EndsAnIdleConnectionForAClientThatWaits) {
  Server::Options options;
  options.max_connections = 1;
  const auto server = serve(say_path, options);
  RawConnection idle(server->port()), waiting(server->port());
  idle.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_THAT(idle.read_until("GET /1"), EndsWith("GET /1"));

  waiting.send("GET /2 HTTP/1.0\r\n\r\n");

  EXPECT_THAT(waiting.read_to_end(), EndsWith("GET /2"));
  EXPECT_EQ(idle.read_to_end(), "");
}

TEST(HttpServer, EndsNoConnectionThatHasARequestToCome) {
  Server::Options options;
  options.max_connections = 1;
  const auto server = serve(say_path, options);
  RawConnection first(server->port()), waiting(server->port());
  waiting.send("GET /2 HTTP/1.0\r\n\r\n");

  first.send("GET /1 HTTP/1.0\r\n\r\n");

  EXPECT_THAT(first.read_to_end(), EndsWith("GET /1"));
  EXPECT_THAT(waiting.read_to_end(), EndsWith("GET /2"));
}

TEST(HttpServer, StopsWithRequestsUnderWay) {
  std::counting_semaphore<> under_way(0);
  std::atomic<int> ended{0};
  auto server = serve([&](const Request&, ResponseWriter& out) {
    const std::vector<std::uint8_t> block(1 << 20, 'x');
    (void)out.begin(200, std::uint64_t{1} << 40);
    under_way.release();
    while (out.write(block).ok()) {
    }
    ++ended;
  });
  RawConnection busy(server->port()), other(server->port()), idle(server->port());
  busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  under_way.acquire();
  under_way.acquire();

  server->stop();
  server->stop();

  EXPECT_EQ(ended, 2);
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_FALSE(RawConnection(server->port()).connected());
}

TEST(HttpServer, KnowsWhichAddressesOnlyThisMachineReaches) {
  for (const char* mine : {"127.0.0.1:7700", "127.8.9.10:1", "[::1]:7700", "localhost:7700"})
    EXPECT_TRUE(is_loopback(mine)) << mine;
  for (const char* everybodys : {"0.0.0.0:7700", "[::]:7700", "10.0.0.1:7700", "127.0.0.1.example.com:7700",
                                 "localhost.example.com:7700", "[::ffff:10.0.0.1]:7700", "127.1:7700", "127.0.0.1", ""})
    EXPECT_FALSE(is_loopback(everybodys)) << everybodys;
}

TEST(HostOfPeer, LeavesThePortOut) {
  EXPECT_EQ(host_of_peer("10.0.0.1:4000"), "10.0.0.1");
  EXPECT_EQ(host_of_peer("[fd00::1]:4000"), "fd00::1");
  EXPECT_EQ(host_of_peer("[::ffff:10.0.0.1]:4000"), "10.0.0.1");
}

TEST(HttpServer, NamesTheAddressThatItCannotListenOn) {
  const auto server = serve(say_path);
  Server::Options taken;
  taken.listen = str_cat("127.0.0.1:", server->port());

  const auto second = Server::create(taken, say_path);

  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(taken.listen));
  for (const char* bad : {"", "7700", ":7700", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "no such host:1"}) {
    Server::Options options;
    options.listen = bad;
    EXPECT_EQ(Server::create(options, say_path).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace samara::http
