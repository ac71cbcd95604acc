// Asks an HTTP server for things, on as many connections as told, and says how long that took.
//
// usage: http_load [--connections N] [--requests N] [--header "Name: value"] HOST:PORT PATH [PATH…]
//
// Each connection is kept alive and asks for the next PATH of the list, around and around, until all requests are done.
// Bodies are counted and dropped in the kernel. Prints JSON: requests, errors, bytes, seconds (from the first request to
// the last byte), and of each request the time to the first byte and the whole time, in milliseconds, as quantiles.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::size_t connections = 1, requests = 1;
  std::string host;
  std::uint16_t port = 0;
  std::string headers;
  std::vector<std::string> paths;
};

struct Timing {
  double first_byte = 0, whole = 0;  // ms
};

double milliseconds(Clock::duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// One kept-alive connection.
class Connection {
 public:
  explicit Connection(const Options& options) : options_(options) {}
  ~Connection() { close(); }

  // False when the answer isn't a whole 200.
  bool ask(const std::string& path, Timing& timing, std::uint64_t& bytes) {
    const auto start = Clock::now();
    if (fd_ < 0 && !connect()) return false;
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + options_.host + "\r\n" + options_.headers + "\r\n";
    const bool ok = ::send(fd_, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size()) &&
                    read_answer(start, timing, bytes);
    if (!ok) close();
    timing.whole = milliseconds(Clock::now() - start);
    return ok;
  }

 private:
  bool connect() {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    return ::inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr) == 1 &&
           ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  bool read_answer(Clock::time_point start, Timing& timing, std::uint64_t& bytes) {
    std::string head;
    char piece[4096];
    std::size_t end = std::string::npos;
    while (end == std::string::npos) {
      const ssize_t n = ::recv(fd_, piece, sizeof piece, 0);
      if (n <= 0 || head.size() > 65536) return false;
      if (head.empty()) timing.first_byte = milliseconds(Clock::now() - start);
      head.append(piece, static_cast<std::size_t>(n));
      end = head.find("\r\n\r\n");
    }
    const std::size_t field = head.find("\r\nContent-Length: ");
    if (!head.starts_with("HTTP/1.1 200") || field > end) return false;
    const std::size_t from = field + 18;
    const auto length = number(std::string_view(head).substr(from, head.find('\r', from) - from));
    if (!length) return false;
    bytes += *length;
    return drop(*length - std::min<std::uint64_t>(*length, head.size() - end - 4));
  }

  bool drop(std::uint64_t left) {
    char unused[1];
    while (left > 0) {
      const ssize_t n = ::recv(fd_, unused, std::min<std::uint64_t>(left, 1u << 20), MSG_TRUNC);
      if (n <= 0) return false;
      left -= static_cast<std::uint64_t>(n);
    }
    return true;
  }

  const Options& options_;
  int fd_ = -1;
};

struct Totals {
  std::mutex mutex;
  std::vector<Timing> timings;
  std::uint64_t bytes = 0, errors = 0;
};

void work(const Options& options, std::atomic<std::size_t>& next, Totals& totals) {
  Connection connection(options);
  std::vector<Timing> timings;
  std::uint64_t bytes = 0, errors = 0;
  for (std::size_t i = next++; i < options.requests; i = next++) {
    Timing timing;
    if (connection.ask(options.paths[i % options.paths.size()], timing, bytes)) {
      timings.push_back(timing);
    } else {
      ++errors;
    }
  }
  const std::lock_guard lock(totals.mutex);
  totals.timings.insert(totals.timings.end(), timings.begin(), timings.end());
  totals.bytes += bytes;
  totals.errors += errors;
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

void print(const Totals& totals, double seconds) {
  std::vector<double> first, whole;
  for (const Timing& timing : totals.timings) {
    first.push_back(timing.first_byte);
    whole.push_back(timing.whole);
  }
  std::printf("{\"requests\":%zu,\"errors\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"first_byte_p50\":%.3f,"
              "\"first_byte_p99\":%.3f,\"whole_p50\":%.3f,\"whole_p99\":%.3f,\"whole_max\":%.3f}\n",
              totals.timings.size(), static_cast<unsigned long long>(totals.errors),
              static_cast<unsigned long long>(totals.bytes), seconds, quantile(first, 0.5), quantile(first, 0.99),
              quantile(whole, 0.5), quantile(whole, 0.99), quantile(whole, 1));
}

std::optional<Options> read_options(int argc, char** argv) {
  Options options;
  std::vector<std::string> words(argv + 1, argv + argc);
  std::size_t i = 0;
  for (; i + 1 < words.size() && words[i].starts_with("--"); i += 2) {
    const auto value = number(words[i + 1]);
    if (words[i] == "--header") {
      options.headers += words[i + 1] + "\r\n";
    } else if (value && *value > 0 && words[i] == "--connections") {
      options.connections = *value;
    } else if (value && *value > 0 && words[i] == "--requests") {
      options.requests = *value;
    } else {
      return std::nullopt;
    }
  }
  if (i + 1 >= words.size()) return std::nullopt;
  const std::size_t colon = words[i].rfind(':');
  const auto port = colon == std::string::npos ? std::nullopt : number(std::string_view(words[i]).substr(colon + 1));
  if (!port || *port > 65535) return std::nullopt;
  options.host = words[i].substr(0, colon);
  options.port = static_cast<std::uint16_t>(*port);
  options.paths.assign(words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end());
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = read_options(argc, argv);
  if (!options) {
    std::fprintf(stderr, "usage: http_load [--connections N] [--requests N] [--header LINE] HOST:PORT PATH [PATH…]\n");
    return 2;
  }
  Totals totals;
  std::atomic<std::size_t> next{0};
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < options->connections; ++i) threads.emplace_back([&] { work(*options, next, totals); });
  for (std::thread& thread : threads) thread.join();
  print(totals, milliseconds(Clock::now() - start) / 1000);
  return totals.errors == 0 ? 0 : 1;
}
