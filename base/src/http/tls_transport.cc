#include "tls_transport.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/status.h"
#include "base/text.h"

namespace samara::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// What is gathered before it is encrypted: whole records of 16 KiB, and few reads of a file.
constexpr std::size_t kGathered = 128 * 1024;

constexpr std::string_view kPlainHttpAnswer =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nthis port speaks https\n";

// A name with a NUL in it is no name: whoever compares C strings would take it for a shorter one.
std::optional<std::string> text_of(const ASN1_STRING* value) {
  unsigned char* utf8 = nullptr;
  const int length = ASN1_STRING_to_UTF8(&utf8, value);
  if (length < 0) return std::nullopt;
  std::string text(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(length));
  OPENSSL_free(utf8);
  if (text.find('\0') != std::string::npos) return std::nullopt;
  return text;
}

std::string common_name_of(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))).value_or("");
}

std::vector<std::string> dns_names_of(const X509* certificate) {
  std::vector<std::string> names;
  auto* const all =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all, i);
    if (name->type != GEN_DNS) continue;
    if (auto text = text_of(name->d.dNSName)) names.push_back(*std::move(text));
  }
  GENERAL_NAMES_free(all);
  return names;
}

std::string reason_of_last_error() {
  const unsigned long error = ERR_peek_error();
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : "TLS error";
}

}  // namespace

TlsTransport::TlsTransport(Socket& socket, ssl_st* ssl) : socket_(socket), ssl_(ssl) {}

TlsTransport::~TlsTransport() {
  say_goodbye();
  SSL_free(ssl_);
}

void TlsTransport::say_goodbye() {
  if (broken_ || SSL_in_init(ssl_)) return;
  broken_ = true;
  ERR_clear_error();
  SSL_shutdown(ssl_);  // whether the client hears it changes nothing for us
}

absl::Status TlsTransport::wait_for(int result, TimePoint deadline) {
  const int error = errno;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ: return socket_.wait(POLLIN, deadline);
    case SSL_ERROR_WANT_WRITE: return socket_.wait(POLLOUT, deadline);
    case SSL_ERROR_ZERO_RETURN: return absl::CancelledError("the client left");
    case SSL_ERROR_SYSCALL: broken_ = true; return error == 0 ? absl::CancelledError("the client left") : connection_error(error);
    default: broken_ = true; return absl::InvalidArgumentError(reason_of_last_error());
  }
}

absl::Status TlsTransport::handshake(TimePoint deadline) {
  while (true) {
    ERR_clear_error();
    const int result = SSL_accept(ssl_);
    if (result == 1) return absl::OkStatus();
    absl::Status status = wait_for(result, deadline);
    if (status.ok()) continue;
    if (absl::IsInvalidArgument(status) && ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST) {
      iovec answer{const_cast<char*>(kPlainHttpAnswer.data()), kPlainHttpAnswer.size()};
      (void)socket_.send({&answer, 1}, milliseconds(0), false);  // a courtesy
      socket_.linger(milliseconds(100));
    }
    return annotate(status, "TLS handshake");
  }
}

std::optional<ClientIdentity> TlsTransport::identity() const {
  X509* const certificate = SSL_get1_peer_certificate(ssl_);
  if (certificate == nullptr) return std::nullopt;
  ClientIdentity identity{common_name_of(certificate), dns_names_of(certificate)};
  X509_free(certificate);
  return identity;
}

absl::StatusOr<std::size_t> TlsTransport::receive(std::span<std::uint8_t> out, TimePoint deadline) {
  while (true) {
    ERR_clear_error();
    const int n = SSL_read(ssl_, out.data(), static_cast<int>(std::min<std::size_t>(out.size(), INT_MAX)));
    if (n > 0) return static_cast<std::size_t>(n);
    if (SSL_get_error(ssl_, n) == SSL_ERROR_ZERO_RETURN) return 0;
    SAMARA_RETURN_IF_ERROR(wait_for(n, deadline));
  }
}

std::span<std::uint8_t> TlsTransport::room() {
  if (gathered_ == nullptr) gathered_ = std::make_unique_for_overwrite<std::uint8_t[]>(kGathered);
  return {gathered_.get() + held_, kGathered - held_};
}

absl::Status TlsTransport::flush(milliseconds timeout) {
  std::span<const std::uint8_t> rest(gathered_.get(), held_);
  while (!rest.empty()) {
    ERR_clear_error();
    const int n = SSL_write(ssl_, rest.data(), static_cast<int>(rest.size()));
    if (n > 0) {
      rest = rest.subspan(static_cast<std::size_t>(n));
    } else {
      SAMARA_RETURN_IF_ERROR(wait_for(n, steady_clock::now() + timeout));
    }
  }
  held_ = 0;
  return absl::OkStatus();
}

absl::Status TlsTransport::send(std::span<iovec> parts, milliseconds timeout, bool more) {
  for (const iovec& part : parts) {
    std::span<const std::uint8_t> rest(static_cast<const std::uint8_t*>(part.iov_base), part.iov_len);
    while (!rest.empty()) {
      const std::span<std::uint8_t> free = room();
      const std::size_t n = std::min(rest.size(), free.size());
      std::copy_n(rest.begin(), n, free.begin());
      held_ += n;
      rest = rest.subspan(n);
      if (held_ == kGathered) SAMARA_RETURN_IF_ERROR(flush(timeout));
    }
  }
  return more ? absl::OkStatus() : flush(timeout);
}

absl::Status TlsTransport::send_file(int file, std::uint64_t offset, std::uint64_t length, milliseconds timeout) {
  while (length > 0) {
    const std::span<std::uint8_t> free = room();
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(length, free.size()));
    const absl::Status read = pread_all(file, free.first(n), offset);
    if (absl::IsOutOfRange(read)) return absl::DataLossError(read.message());
    SAMARA_RETURN_IF_ERROR(read);
    held_ += n;
    SAMARA_RETURN_IF_ERROR(flush(timeout));
    offset += n;
    length -= n;
  }
  return absl::OkStatus();
}

void TlsTransport::linger(milliseconds at_most) {
  say_goodbye();
  socket_.linger(at_most);
}

}  // namespace samara::http
