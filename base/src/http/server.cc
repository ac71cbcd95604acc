#include "base/http/server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "request_reader.h"
#include "sigpipe.h"
#include "socket.h"
#include "tls_context.h"
#include "transport_writer.h"

namespace samara::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct AddressList {
  addrinfo* first = nullptr;
  ~AddressList() {
    if (first != nullptr) ::freeaddrinfo(first);
  }
};

absl::StatusOr<Fd> listen_on(const addrinfo& address, const std::string& name) {
  Fd fd(::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address.ai_protocol));
  if (!fd.valid()) return errno_status(errno, str_cat("listen on ", name));
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno == EADDRINUSE) return absl::AlreadyExistsError(str_cat("address ", name, " is in use"));
    return errno_status(errno, str_cat("listen on ", name));
  }
  if (::listen(fd.get(), SOMAXCONN) != 0) return errno_status(errno, str_cat("listen on ", name));
  return fd;
}

absl::StatusOr<Fd> open_listener(const std::string& name) {
  const std::size_t colon = name.rfind(':');
  const std::string port = colon == std::string::npos ? "" : name.substr(colon + 1);
  std::string host = name.substr(0, std::min(colon, name.size()));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  std::uint32_t number = 0;
  if (host.empty() || port.empty() || !absl::SimpleAtoi(port, &number) || number > 65535)
    return absl::InvalidArgumentError(str_cat("not an \"address:port\" to listen on: ", name));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  AddressList found;
  if (const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found.first); error != 0)
    return absl::InvalidArgumentError(str_cat("can't listen on ", name, ": ", ::gai_strerror(error)));
  return listen_on(*found.first, name);
}

std::string name_of(const sockaddr_storage& address, socklen_t size) {
  std::array<char, NI_MAXHOST> host;
  std::array<char, NI_MAXSERV> port;
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, host.data(), host.size(), port.data(),
                    port.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "?";
  return address.ss_family == AF_INET6 ? str_cat("[", host.data(), "]:", port.data())
                                       : str_cat(host.data(), ":", port.data());
}

void call_handler(const Handler& handler, const Request& request, ResponseWriter& writer) try {
  handler(request, writer);
} catch (const std::exception& e) {
  log::error("a request handler threw", {{"path", request.target.path}, {"error", e.what()}});
}

// What a connection does, so that one which only waits for its next request can make room for another one. A client
// whose first request is still to come never makes room: it couldn't tell that from a server that doesn't work.
// Threads: rest() and resume() the connection's, the others the acceptor's.
class Activity {
 public:
  void rest() {
    since_ = steady_clock::now().time_since_epoch().count();
    state_ = State::kIdle;
  }
  // False: it has been dismissed, and has to end.
  bool resume() {
    State idle = State::kIdle;
    return state_.compare_exchange_strong(idle, State::kBusy) || idle == State::kBusy;
  }
  bool idle() const { return state_ == State::kIdle; }
  steady_clock::rep idle_since() const { return since_; }
  // False: it isn't idle any more.
  bool dismiss() {
    State idle = State::kIdle;
    return state_.compare_exchange_strong(idle, State::kDismissed);
  }

 private:
  enum class State { kBusy, kIdle, kDismissed };
  std::atomic<State> state_{State::kBusy};
  std::atomic<steady_clock::rep> since_{0};
};

// All requests of one connection, one after the other; `from` says whose they are.
void serve(Transport& transport, const Request& from, const Server::Options& options, const Handler& handler,
           Activity& activity) {
  constexpr milliseconds kLinger{500};
  RequestReader reader;
  for (bool first = true;; first = false) {
    if (!first) activity.rest();
    RequestReader::Result next = reader.next(transport, steady_clock::now() + options.idle_timeout);
    if (!activity.resume()) return;
    if (next.outcome == RequestReader::Outcome::kClose) return;
    TransportWriter writer(transport, options.send_timeout, next);
    if (next.outcome == RequestReader::Outcome::kRefuse) {
      writer.close_after();
      (void)writer.respond(next.status, next.reason + "\n", "text/plain");  // the connection ends here either way
      writer.finish();
      return transport.linger(kLinger);
    }
    next.request.peer = from.peer;
    next.request.identity = from.identity;
    if (next.has_body) writer.close_after();
    call_handler(handler, next.request, writer);
    const auto after = writer.finish();
    if (next.has_body) return transport.linger(kLinger);
    if (after == TransportWriter::Connection::kClose) return;
  }
}

class ThreadedServer final : public Server {
 public:
  // `tls`: null for plain HTTP.
  ThreadedServer(Options options, Handler handler, std::unique_ptr<TlsContext> tls, Fd listener, Fd stop_event,
                 std::uint16_t port)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        tls_(std::move(tls)),
        listener_(std::move(listener)),
        stop_event_(std::move(stop_event)),
        port_(port),
        acceptor_([this] { accept_loop(); }) {}
  ~ThreadedServer() override { stop(); }

  std::uint16_t port() const override { return port_; }
  void stop() override;

 private:
  struct Connection {
    int fd = -1;  // -1 once the connection is done, so that nobody else touches a reused number
    Activity activity;
    std::thread thread;
  };

  void accept_loop();
  bool wait_for_client();
  bool wait_for_room();
  void dismiss_idle();
  void start(Fd fd, std::string peer);
  void converse(Socket& socket, std::string peer, Activity& activity);
  void reap();

  const Options options_;
  const Handler handler_;
  const std::unique_ptr<TlsContext> tls_;
  Fd listener_;
  const Fd stop_event_;
  const std::uint16_t port_;

  std::mutex stop_mutex_;  // one stop() at a time
  std::mutex mutex_;
  std::condition_variable room_;
  bool stopping_ = false;
  std::size_t active_ = 0;
  std::uint64_t next_id_ = 0;
  std::map<std::uint64_t, Connection> connections_;
  std::vector<std::uint64_t> finished_;
  std::thread acceptor_;
};

void ThreadedServer::stop() {
  const std::lock_guard only_one(stop_mutex_);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (auto& [id, connection] : connections_)
      if (connection.fd >= 0) ::shutdown(connection.fd, SHUT_RDWR);
  }
  room_.notify_all();
  ::eventfd_write(stop_event_.get(), 1);
  if (acceptor_.joinable()) acceptor_.join();
  listener_.reset();
  for (auto& [id, connection] : connections_) connection.thread.join();  // nobody adds any more
  connections_.clear();
}

// False when stopping.
bool ThreadedServer::wait_for_client() {
  std::array<pollfd, 2> entries{pollfd{listener_.get(), POLLIN, 0}, pollfd{stop_event_.get(), POLLIN, 0}};
  ::poll(entries.data(), entries.size(), -1);
  return entries[1].revents == 0;
}

// For a client that waits. False when stopping.
bool ThreadedServer::wait_for_room() {
  constexpr milliseconds kLookAgain{100};  // somebody may be idle by then
  std::unique_lock lock(mutex_);
  const auto done = [this] { return stopping_ || active_ < options_.max_connections; };
  while (!done()) {
    dismiss_idle();
    room_.wait_for(lock, kLookAgain, done);
  }
  return !stopping_;
}

// Ends the connection that has been idle longest, if there is one. With mutex_ held.
void ThreadedServer::dismiss_idle() {
  Connection* longest = nullptr;
  for (auto& [id, connection] : connections_) {
    if (connection.fd < 0 || !connection.activity.idle()) continue;
    if (longest == nullptr || connection.activity.idle_since() < longest->activity.idle_since()) longest = &connection;
  }
  if (longest != nullptr && longest->activity.dismiss()) ::shutdown(longest->fd, SHUT_RDWR);
}

void ThreadedServer::accept_loop() {
  while (wait_for_client() && wait_for_room()) {
    reap();
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    Fd fd(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.valid()) {
      start(std::move(fd), name_of(address, size));
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      log::warning("can't accept a connection now", {{"error", errno_status(errno, "accept")}});
      pollfd stop{stop_event_.get(), POLLIN, 0};
      ::poll(&stop, 1, 100);  // until some descriptor may be free again
    }
  }
}

// One connection, from its first byte to its last.
void ThreadedServer::converse(Socket& socket, std::string peer, Activity& activity) {
  const SigpipeBlock no_sigpipe;
  Request from;
  from.peer = std::move(peer);
  if (tls_ == nullptr) return serve(socket, from, options_, handler_, activity);
  const auto secured = tls_->accept(socket, steady_clock::now() + options_.handshake_timeout);
  if (!secured.ok()) return log::info("a connection was refused", {{"peer", from.peer}, {"error", secured.status()}});
  from.identity = (*secured)->identity();
  serve(**secured, from, options_, handler_, activity);
}

void ThreadedServer::start(Fd fd, std::string peer) {
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  const std::uint64_t id = next_id_++;
  auto socket = std::make_unique<Socket>(std::move(fd));
  Connection& connection = connections_[id];
  connection.fd = socket->fd();
  try {
    connection.thread = std::thread([this, id, &connection, peer = std::move(peer), socket = std::move(socket)]() mutable {
      converse(*socket, std::move(peer), connection.activity);  // which stays where it is until the thread is joined
      const std::lock_guard lock(mutex_);
      connection.fd = -1;
      socket.reset();
      finished_.push_back(id);
      --active_;
      room_.notify_all();
    });
    ++active_;
  } catch (const std::system_error& e) {
    connections_.erase(id);
    log::warning("can't start a thread for a connection", {{"error", e.what()}});
  }
}

// Joins threads that have said good-bye.
void ThreadedServer::reap() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    for (const std::uint64_t id : finished_) {
      threads.push_back(std::move(connections_[id].thread));
      connections_.erase(id);
    }
    finished_.clear();
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::create(Options options, Handler handler) {
  std::unique_ptr<TlsContext> tls;
  if (options.tls) {
    SAMARA_ASSIGN_OR_RETURN(tls, TlsContext::create(*options.tls));
  }
  SAMARA_ASSIGN_OR_RETURN(Fd listener, open_listener(options.listen));
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return errno_status(errno, "getsockname");
  const std::uint16_t port = ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                                                 : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
  Fd stop_event(::eventfd(0, EFD_CLOEXEC));
  if (!stop_event.valid()) return errno_status(errno, "eventfd");
  return std::make_unique<ThreadedServer>(std::move(options), std::move(handler), std::move(tls),
                                          std::move(listener), std::move(stop_event), port);
}

}  // namespace samara::http
