// The server over TLS, and the client's side of it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <semaphore>
#include <set>
#include <thread>

#include "base/file.h"
#include "base/http/client.h"
#include "base/http/server.h"
#include "base/text.h"
#include "raw_connection.h"
#include "test_authority.h"

namespace samara::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

void say_who(const Request& request, ResponseWriter& out) {
  (void)out.respond(200, request.identity ? request.identity->common_name : "somebody");
}

/// A server over TLS, and clients that trust it.
class HttpTls : public ::testing::Test {
 protected:
  std::unique_ptr<Server> serve(Handler handler, Server::Options options = {}) {
    if (!options.tls) options.tls.emplace();
    if (options.tls->certificate.empty()) {
      options.tls->certificate = server_pair_.certificate;
      options.tls->key = server_pair_.key;
    }
    auto server = Server::create(std::move(options), std::move(handler));
    EXPECT_TRUE(server.ok()) << server.status();
    return std::move(*server);
  }
  std::unique_ptr<Server> serve_known_clients(Handler handler) {
    Server::Options options;
    options.tls.emplace().client_ca = authority_.file();
    return serve(std::move(handler), std::move(options));
  }

  ClientRequest request_to(const Server& server, std::string_view path = "/") {
    ClientRequest request;
    request.url = str_cat("https://127.0.0.1:", server.port(), path);
    request.ca_file = authority_.file();
    return request;
  }
  static ClientRequest as(ClientRequest request, const TestAuthority::Pair& pair) {
    request.client_certificate = pair.certificate;
    request.client_key = pair.key;
    return request;
  }
  /// The answer's body to one who has never connected before; the error's text when there was none.
  static std::string answer_to(const ClientRequest& request) {
    Client client;
    const auto response = client.get(request);
    return response.ok() ? response->body : std::string(response.status().message());
  }

  TestAuthority authority_;
  const TestAuthority::Pair server_pair_ = authority_.issue_server();
};

TEST_F(HttpTls, ServesManyRequestsOnOneConnection) {
  std::set<std::string> peers;
  const auto server = serve([&](const Request& request, ResponseWriter& out) {
    peers.insert(request.peer);
    (void)out.respond(200, request.target.path);
  });
  Client client;

  for (const char* path : {"/one", "/two", "/three"}) EXPECT_EQ(client.get(request_to(*server, path))->body, path);

  EXPECT_EQ(peers.size(), 1u);
}

TEST_F(HttpTls, IsNotTrustedWithoutItsAuthority) {
  const auto server = serve(say_who);
  ClientRequest request = request_to(*server);
  request.ca_file.clear();

  EXPECT_THAT(answer_to(request), HasSubstr("certificate"));
}

TEST_F(HttpTls, SendsLargeBodiesWholeFromMemoryAndFromFiles) {
  std::string body((5u << 20) + 17, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 2654435761u >> 13);
  const std::string path = authority_.directory() + "/body";
  ASSERT_TRUE(write_file_atomic(path, body).ok());
  const Fd file = *open_file(path, O_RDONLY);
  const auto server = serve([&](const Request& request, ResponseWriter& out) {
    if (request.target.path == "/memory") return (void)out.respond(200, body);
    (void)out.begin(200, body.size() - 1);
    (void)out.write_file(file.get(), 1, body.size() - 1);
  });
  Client client;

  const auto from_memory = client.get(request_to(*server, "/memory"));
  const auto from_file = client.get(request_to(*server, "/file"));

  ASSERT_TRUE(from_memory.ok()) << from_memory.status();
  ASSERT_TRUE(from_file.ok()) << from_file.status();
  EXPECT_TRUE(from_memory->body == body);
  EXPECT_TRUE(from_file->body == body.substr(1));
}

TEST_F(HttpTls, ClosesInTheMiddleWhenAFileIsShorterThanPromised) {
  const std::string path = authority_.directory() + "/short";
  ASSERT_TRUE(write_file_atomic(path, "short").ok());
  const Fd file = *open_file(path, O_RDONLY);
  std::promise<absl::Status> ended;
  const auto server = serve([&](const Request&, ResponseWriter& out) {
    (void)out.begin(200, 100);
    ended.set_value(out.write_file(file.get(), 0, 100));
  });
  Client client;

  EXPECT_EQ(client.get(request_to(*server)).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ended.get_future().get().code(), absl::StatusCode::kDataLoss);
}

TEST_F(HttpTls, TellsAClientOfPlainHttpWhatIsWrong) {
  const auto server = serve(say_who);
  RawConnection client(server->port());

  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpTls, RefusesGarbageAndStaysUp) {
  const auto server = serve(say_who);

  for (const std::string& garbage :
       {std::string(5000, 'x'), std::string("\x16\x03\x01\xff\xff", 5) + std::string(70'000, '\0'),
        std::string("\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9), std::string("\x15\x03\x03\x00\x02\x02\x28", 7)}) {
    RawConnection client(server->port());
    client.send(garbage);
    client.half_close();
    client.read_to_end();
  }

  EXPECT_EQ(answer_to(request_to(*server)), "somebody");
}

TEST_F(HttpTls, GivesUpOnASlowHandshake) {
  Server::Options options;
  options.handshake_timeout = milliseconds(30);
  options.max_connections = 1;
  const auto server = serve(say_who, options);
  RawConnection silent(server->port()), half_said(server->port());
  half_said.send(std::string("\x16\x03\x01\x02\x00\x01", 6));

  EXPECT_EQ(silent.read_to_end(), "");  // after which the next one has its turn
  EXPECT_EQ(half_said.read_to_end(), "");
}

// A ClientHello of TLS 1.`minor - 1` with two ciphers, one for each version tried here, and no extensions.
std::string client_hello(char minor) {
  return std::string("\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03", 10) + minor + std::string(32, 'r') +
         std::string("\x00\x00\x04\xc0\x09\xc0\x2b\x01\x00", 9);
}

TEST_F(HttpTls, SpeaksNothingOlderThanTls12) {
  const auto server = serve(say_who);
  RawConnection older(server->port()), newer(server->port());

  older.send(client_hello(2));
  newer.send(client_hello(3));

  EXPECT_EQ(older.read_to_end().substr(5), "\x02\x46");        // fatal alert: protocol_version
  EXPECT_EQ(newer.read_exactly(6).substr(5), "\x02");  // a ServerHello
}

TEST_F(HttpTls, KnowsAClientByItsCertificate) {
  std::optional<ClientIdentity> seen;
  const auto server = serve_known_clients([&](const Request& request, ResponseWriter& out) {
    seen = request.identity;
    (void)out.respond(200);
  });
  const auto pair = authority_.issue("node", {"node-7", {"DNS:node-7.example", "IP:10.0.0.7", "DNS:n7"}});

  EXPECT_EQ(answer_to(as(request_to(*server), pair)), "");

  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(seen->common_name, "node-7");
  EXPECT_THAT(seen->dns_names, ElementsAre("node-7.example", "n7"));
}

TEST_F(HttpTls, LeavesAClientWithoutACertificateToTheHandler) {
  const auto server = serve_known_clients(say_who);

  EXPECT_EQ(answer_to(request_to(*server)), "somebody");
}

TEST_F(HttpTls, AsksForNoCertificateWithoutAnAuthorityForIt) {
  const auto server = serve(say_who);

  EXPECT_EQ(answer_to(as(request_to(*server), authority_.issue("node", {"node-7"}))), "somebody");
}

TEST_F(HttpTls, RefusesCertificatesOfStrangersAndExpiredOnes) {
  std::atomic<int> handled{0};
  const auto server = serve_known_clients([&](const Request&, ResponseWriter& out) {
    ++handled;
    (void)out.respond(200);
  });
  const TestAuthority stranger;
  Client client;

  for (const auto& pair : {stranger.issue("node", {"node-7"}), authority_.issue("old", {"node-8", {}, seconds(-60)})})
    EXPECT_EQ(client.get(as(request_to(*server), pair)).status().code(), absl::StatusCode::kUnavailable);

  EXPECT_EQ(handled, 0);
}

TEST_F(HttpTls, ShowsANewCertificateOnceItsFilesHaveChanged) {
  const auto server = serve(say_who);
  const TestAuthority next;
  Client before;
  ASSERT_TRUE(before.get(request_to(*server)).ok());

  const auto pair = next.issue_server();
  std::filesystem::rename(pair.certificate, server_pair_.certificate);
  EXPECT_EQ(answer_to(request_to(*server)), "somebody") << "the key isn't there yet: the old pair stays";
  std::filesystem::rename(pair.key, server_pair_.key);

  EXPECT_NE(answer_to(request_to(*server)), "somebody");
  ClientRequest trusting_next = request_to(*server);
  trusting_next.ca_file = next.file();
  EXPECT_EQ(answer_to(trusting_next), "somebody");
  EXPECT_TRUE(before.get(request_to(*server)).ok()) << "connections that stand go on";
}

TEST_F(HttpTls, FollowsAChangeOfTheClientsAuthority) {
  const auto server = serve_known_clients(say_who);
  const auto pair = authority_.issue("node", {"node-7"});
  ASSERT_EQ(answer_to(as(request_to(*server), pair)), "node-7");
  const TestAuthority next;
  const std::string trusted = authority_.directory() + "/trusted.pem";
  std::filesystem::copy_file(authority_.file(), trusted);  // what the client trusts stays

  std::filesystem::copy_file(next.file(), authority_.file() + ".new");
  std::filesystem::rename(authority_.file() + ".new", authority_.file());

  ClientRequest request = request_to(*server);
  request.ca_file = trusted;
  EXPECT_NE(answer_to(as(request, pair)), "node-7");
  EXPECT_EQ(answer_to(as(request, next.issue("node", {"node-9"}))), "node-9");
}

TEST_F(HttpTls, NamesTheFileThatItCannotUse) {
  const auto status_with = [&](TlsOptions tls) {
    Server::Options options;
    options.tls = std::move(tls);
    return Server::create(options, say_who).status();
  };
  const std::string certificate = server_pair_.certificate, key = server_pair_.key;
  const std::string no_pem = authority_.directory() + "/no.pem", absent = authority_.directory() + "/absent.pem";
  ASSERT_TRUE(write_file_atomic(no_pem, "hello\n").ok());

  for (const auto& [tls, named] : std::vector<std::pair<TlsOptions, std::string>>{
           {{absent, key, ""}, absent}, {{certificate, absent, ""}, absent}, {{certificate, key, absent}, absent},
           {{no_pem, key, ""}, no_pem}, {{certificate, no_pem, ""}, no_pem}, {{certificate, key, no_pem}, no_pem},
           {{certificate, authority_.issue("other", {"x"}).key, ""}, "other.key"}}) {
    const absl::Status status = status_with(tls);
    EXPECT_EQ(status.code(), named == absent ? absl::StatusCode::kNotFound : absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(named));
  }
}

TEST_F(HttpTls, GivesUpOnAClientThatReadsNothing) {
  std::promise<absl::Status> ended;
  Server::Options options;
  options.send_timeout = milliseconds(50);
  const auto server = serve(
      [&](const Request&, ResponseWriter& out) {
        const std::vector<std::uint8_t> block(1 << 20, 'x');
        (void)out.begin(200, std::uint64_t{1} << 40);
        absl::Status status;
        while (status.ok()) status = out.write(block);
        ended.set_value(status);
      },
      options);
  std::counting_semaphore<> waited(0);
  Client client;
  std::jthread reader([&] {
    (void)client.stream(
        request_to(*server), [](const ResponseHead&) { return absl::OkStatus(); },
        [&](std::span<const std::uint8_t>) {
          waited.acquire();
          return absl::CancelledError("enough");
        });
  });

  EXPECT_EQ(ended.get_future().get().code(), absl::StatusCode::kDeadlineExceeded);
  waited.release();
}

TEST_F(HttpTls, StopsWithHandshakesAndTransfersUnderWay) {
  std::binary_semaphore under_way(0);
  std::atomic<bool> ended = false;
  auto server = serve([&](const Request&, ResponseWriter& out) {
    const std::vector<std::uint8_t> block(1 << 20, 'x');
    (void)out.begin(200, std::uint64_t{1} << 40);
    under_way.release();
    while (out.write(block).ok()) {
    }
    ended = true;
  });
  RawConnection handshaking(server->port());
  handshaking.send(std::string("\x16\x03\x01", 3));
  absl::Status status;
  Client client;
  std::jthread reader([&] {
    status = client.stream(
        request_to(*server), [](const ResponseHead&) { return absl::OkStatus(); },
        [](std::span<const std::uint8_t>) { return absl::OkStatus(); });
  });
  under_way.acquire();

  server->stop();
  reader.join();

  EXPECT_TRUE(ended);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(handshaking.read_to_end(), "");
}

}  // namespace
}  // namespace samara::http
