#include "base/http/client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <mutex>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "sigpipe.h"

namespace samara::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr long kMaxRedirects = 5;
constexpr long kReceiveBuffer = 128 * 1024;
constexpr long kAuthorityLifetime = 60;  // seconds that libcurl keeps a ca_file in memory

void init_curl_once() {
  static const CURLcode done = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)done;
}

std::string_view scheme_of(std::string_view url) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (absl::StartsWithIgnoreCase(to_absl(url), to_absl(scheme))) return scheme;
  return {};
}

const char* environment(const char* name, const char* same_in_capitals) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : std::getenv(same_in_capitals);
}

// The environment's list of hosts to be asked directly, and this machine.
std::string hosts_without_proxy() {
  const char* hosts = environment("no_proxy", "NO_PROXY");
  const std::string given = hosts != nullptr ? hosts : "";
  return given == "*" ? given : str_cat(given, ",localhost,127.0.0.0/8,::1");
}

// "scheme://host:port": what a kept-alive connection is good for.
std::string origin_of(std::string_view url) {
  const std::size_t end = url.find_first_of("/?#", scheme_of(url).size());
  return std::string(url.substr(0, end));
}

// The URL without what may be secret: user info and query.
std::string shown(std::string_view url) {
  std::string_view rest = url.substr(scheme_of(url).size());
  rest = rest.substr(0, rest.find_first_of("?#"));
  const std::string_view authority = rest.substr(0, rest.find('/'));
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) rest.remove_prefix(at + 1);
  return str_cat(scheme_of(url), rest);
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

absl::Status check(const ClientRequest& request) {
  if (scheme_of(request.url).empty() || has_control(request.url) || request.url.find(' ') != std::string::npos)
    return absl::InvalidArgumentError(str_cat("not an http or https URL: ", shown(request.url)));
  if (request.method.empty() || has_control(request.method) || request.method.find(' ') != std::string::npos)
    return absl::InvalidArgumentError("not an HTTP method");
  if (request.range && request.range->empty()) return absl::InvalidArgumentError("an empty range can't be asked for");
  for (const auto& [name, value] : request.headers.fields())
    if (name.empty() || has_control(name) || has_control(value) || name.find_first_of(": ") != std::string::npos)
      return absl::InvalidArgumentError("a request header has a forbidden character");
  return absl::OkStatus();
}

struct HeaderList {
  curl_slist* first = nullptr;
  ~HeaderList() { curl_slist_free_all(first); }
  void add(const std::string& line) {
    if (curl_slist* longer = curl_slist_append(first, line.c_str()); longer != nullptr) first = longer;
  }
};

// One easy handle with a multi handle of its own: the multi handle keeps the connections, and its poll can be woken.
class Handle {
 public:
  Handle() : multi_(curl_multi_init()), easy_(curl_easy_init()) {}
  ~Handle() {
    curl_easy_cleanup(easy_);
    curl_multi_cleanup(multi_);
  }
  Handle(const Handle&) = delete;

  bool usable() const { return multi_ != nullptr && easy_ != nullptr; }
  CURLM* multi() const { return multi_; }
  CURL* easy() const { return easy_; }

  std::string origin;  // whom the last request went to

 private:
  CURLM* multi_;
  CURL* easy_;
};

// One request under way on one handle.
class Transfer {
 public:
  Transfer(const ClientRequest& request, const Client::OnHead& on_head, const Client::OnBody& on_body, Handle& handle)
      : request_(request), on_head_(on_head), on_body_(on_body), handle_(handle) {}

  absl::Status run();

 private:
  void set_options();
  void set_headers();
  void set_proxy();
  void set_tls();
  CURLcode drive();
  absl::Status outcome(CURLcode code);
  absl::Status failure(absl::StatusCode code, std::string_view why) const;

  std::size_t take_header(std::string_view line);
  std::size_t take_body(std::span<const std::uint8_t> data);
  bool will_follow() const;
  bool deliver_head();
  void touch() { last_activity_ = steady_clock::now(); }

  static std::size_t header_callback(char* data, std::size_t size, std::size_t count, void* self) {
    return static_cast<Transfer*>(self)->take_header({data, size * count});
  }
  static std::size_t body_callback(char* data, std::size_t size, std::size_t count, void* self) {
    return static_cast<Transfer*>(self)->take_body(as_bytes({data, size * count}));
  }
  static int connected_callback(void* self, char*, char*, int, int) {
    static_cast<Transfer*>(self)->connected_ = true;
    static_cast<Transfer*>(self)->touch();
    return CURL_PREREQFUNC_OK;
  }

  const ClientRequest& request_;
  const Client::OnHead& on_head_;
  const Client::OnBody& on_body_;
  Handle& handle_;
  HeaderList header_list_;
  char error_[CURL_ERROR_SIZE] = {};

  ResponseHead head_;
  bool head_delivered_ = false;
  bool connected_ = false;
  bool timed_out_ = false;
  long redirects_ = 0;
  absl::Status callback_error_;
  steady_clock::time_point last_activity_ = steady_clock::now();
};

void Transfer::set_headers() {
  for (const auto& [name, value] : request_.headers.fields())
    header_list_.add(value.empty() ? str_cat(name, ";") : str_cat(name, ": ", value));
  if (request_.range) header_list_.add(str_cat("Range: ", to_range_header(*request_.range)));
  if (!request_.headers.find("Accept-Encoding")) header_list_.add("Accept-Encoding: identity");
  if (!request_.headers.find("User-Agent")) header_list_.add("User-Agent: samara");
  curl_easy_setopt(handle_.easy(), CURLOPT_HTTPHEADER, header_list_.first);
}

void Transfer::set_proxy() {
  curl_easy_setopt(handle_.easy(), CURLOPT_NOPROXY, hosts_without_proxy().c_str());
  if (scheme_of(request_.url) != "http://") return;
  // libcurl leaves HTTP_PROXY alone, because the clients of a CGI program can set it. A daemon has none.
  if (const char* proxy = environment("http_proxy", "HTTP_PROXY"); proxy != nullptr)
    curl_easy_setopt(handle_.easy(), CURLOPT_PROXY, proxy);
}

void Transfer::set_tls() {
  CURL* const easy = handle_.easy();
  curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, kAuthorityLifetime);
  if (!request_.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, request_.ca_file.c_str());
  if (request_.any_server_name) curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  if (request_.client_certificate.empty()) return;
  curl_easy_setopt(easy, CURLOPT_SSLCERT, request_.client_certificate.c_str());
  curl_easy_setopt(easy, CURLOPT_SSLKEY, request_.client_key.c_str());
}

void Transfer::set_options() {
  CURL* const easy = handle_.easy();
  curl_easy_reset(easy);
  curl_easy_setopt(easy, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kReceiveBuffer);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));  // one request a connection
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request_.follow_redirects ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, kMaxRedirects);
  curl_easy_setopt(easy, CURLOPT_UNRESTRICTED_AUTH, 0L);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_callback);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_callback);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, connected_callback);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
  set_proxy();
  set_tls();
  if (request_.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request_.method == "POST") {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request_.body.c_str());
  } else if (request_.method != "GET") {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
  set_headers();
}

absl::Status Transfer::failure(absl::StatusCode code, std::string_view why) const {
  return {code, to_absl(str_cat(request_.method, " ", shown(request_.url), ": ", why))};
}

bool Transfer::will_follow() const {
  return request_.follow_redirects && head_.status / 100 == 3 && head_.status != 304 && head_.headers.find("Location") &&
         redirects_ <= kMaxRedirects;
}

bool Transfer::deliver_head() {
  head_delivered_ = true;
  callback_error_ = on_head_(head_);
  touch();
  return callback_error_.ok();
}

std::size_t Transfer::take_header(std::string_view line) {
  touch();
  const std::size_t size = line.size();
  if (head_delivered_) return size;  // trailers
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {  // a new head: the answer, one after a redirect, or a 1xx
    head_ = {};
    long status = 0;
    curl_easy_getinfo(handle_.easy(), CURLINFO_RESPONSE_CODE, &status);
    head_.status = static_cast<int>(status);
  } else if (line.empty()) {
    if (head_.status < 200) return size;
    if (head_.status / 100 == 3) ++redirects_;
    if (!will_follow() && !deliver_head()) return 0;
  } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
    const std::string_view value = line.substr(colon + 1);
    head_.headers.add(line.substr(0, colon), to_std(absl::StripAsciiWhitespace(to_absl(value))));
  }
  return size;
}

std::size_t Transfer::take_body(std::span<const std::uint8_t> data) {
  if (!head_delivered_ && !deliver_head()) return 0;
  callback_error_ = on_body_(data);
  touch();  // time spent in the callback is not the server's
  return callback_error_.ok() ? data.size() : 0;
}

// Runs the transfer to its end, a time-out or a stop.
CURLcode Transfer::drive() {
  CURLM* const multi = handle_.multi();
  const std::stop_callback wake(request_.stop, [multi] { curl_multi_wakeup(multi); });
  while (!request_.stop.stop_requested()) {
    int running = 0;
    if (curl_multi_perform(multi, &running) != CURLM_OK) return CURLE_FAILED_INIT;
    if (running == 0) {
      int left = 0;
      const CURLMsg* message = curl_multi_info_read(multi, &left);
      return message != nullptr ? message->data.result : CURLE_FAILED_INIT;
    }
    milliseconds wait{1000};
    if (connected_) {
      wait = std::chrono::ceil<milliseconds>(last_activity_ + request_.idle_timeout - steady_clock::now());
      timed_out_ = wait.count() <= 0;
      if (timed_out_) return CURLE_OPERATION_TIMEDOUT;
    }
    curl_multi_poll(multi, nullptr, 0, static_cast<int>(std::min<std::int64_t>(wait.count(), 1000)), nullptr);
  }
  return CURLE_ABORTED_BY_CALLBACK;
}

absl::Status Transfer::outcome(CURLcode code) {
  if (!callback_error_.ok()) return callback_error_;
  if (code == CURLE_OK) return head_delivered_ ? absl::OkStatus() : failure(absl::StatusCode::kUnavailable, "no answer");
  if (request_.stop.stop_requested()) return failure(absl::StatusCode::kCancelled, "cancelled");
  if (timed_out_)
    return failure(absl::StatusCode::kDeadlineExceeded, str_cat("silent for ", request_.idle_timeout.count(), " ms"));
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return failure(absl::StatusCode::kDeadlineExceeded, "connecting took too long");
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return failure(absl::StatusCode::kInvalidArgument, curl_easy_strerror(code));
    case CURLE_PARTIAL_FILE:
      return failure(absl::StatusCode::kUnavailable, "the connection ended in the middle of the body");
    default:
      return failure(absl::StatusCode::kUnavailable, error_[0] != '\0' ? error_ : curl_easy_strerror(code));
  }
}

absl::Status Transfer::run() {
  const SigpipeBlock no_sigpipe;
  set_options();
  if (curl_multi_add_handle(handle_.multi(), handle_.easy()) != CURLM_OK)
    return failure(absl::StatusCode::kInternal, "libcurl refuses the request");
  const CURLcode code = drive();
  curl_multi_remove_handle(handle_.multi(), handle_.easy());
  return outcome(code);
}

}  // namespace

// Idle handles, most recently used last. One that last spoke to the same origin is preferred: its connection is open.
class Client::Pool {
 public:
  std::unique_ptr<Handle> take(const std::string& origin) {
    {
      const std::lock_guard lock(mutex_);
      for (auto it = idle_.rbegin(); it != idle_.rend(); ++it) {
        if ((*it)->origin != origin) continue;
        std::unique_ptr<Handle> found = std::move(*it);
        idle_.erase(std::next(it).base());
        return found;
      }
    }
    auto made = std::make_unique<Handle>();
    made->origin = origin;
    return made;
  }

  void give_back(std::unique_ptr<Handle> handle) {
    std::unique_ptr<Handle> oldest;  // closed after the lock
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(handle));
    if (idle_.size() <= kMostIdle) return;
    oldest = std::move(idle_.front());
    idle_.pop_front();
  }

 private:
  static constexpr std::size_t kMostIdle = 32;
  std::mutex mutex_;
  std::deque<std::unique_ptr<Handle>> idle_;
};

Client::Client() : pool_(std::make_unique<Pool>()) { init_curl_once(); }
Client::~Client() = default;

absl::Status Client::stream(const ClientRequest& request, const OnHead& on_head, const OnBody& on_body) {
  SAMARA_RETURN_IF_ERROR(check(request));
  std::unique_ptr<Handle> handle = pool_->take(origin_of(request.url));
  if (!handle->usable()) return absl::ResourceExhaustedError("libcurl has no memory for a request");
  const absl::Status status = Transfer(request, on_head, on_body, *handle).run();
  pool_->give_back(std::move(handle));
  return status;
}

absl::StatusOr<Response> Client::get(const ClientRequest& request, std::uint64_t limit) {
  Response response;
  const auto take_head = [&](const ResponseHead& head) {
    response.head = head;
    return absl::OkStatus();
  };
  const auto take_body = [&](std::span<const std::uint8_t> data) {
    if (data.size() > limit - response.body.size())
      return absl::ResourceExhaustedError(str_cat(shown(request.url), ": the answer is larger than ", limit, " bytes"));
    response.body.append(as_text(data));
    return absl::OkStatus();
  };
  SAMARA_RETURN_IF_ERROR(stream(request, take_head, take_body));
  return response;
}

}  // namespace samara::http
