#include "tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <fcntl.h>

#include "base/status.h"
#include "base/text.h"

namespace samara::http {
namespace {

// TLS 1.3 has its own list, all of it good. These are what is left of 1.2: forward secrecy and AEAD.
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

// The failure of an OpenSSL call on `file`: the system's reason when it couldn't be opened, OpenSSL's otherwise.
absl::Status file_error(const std::string& file, std::string_view what) {
  const absl::StatusOr<Fd> readable = open_file(file, O_RDONLY);
  if (!readable.ok()) return annotate(readable.status(), what);
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  ERR_clear_error();
  return absl::InvalidArgumentError(str_cat(what, " ", file, ": ", reason != nullptr ? reason : "can't be used"));
}

void set_rules(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_security_level(context, 2);
  SSL_CTX_set_cipher_list(context, kTls12Ciphers);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return 0; });  // never ask at a terminal
}

absl::Status use_client_ca(SSL_CTX* context, const std::string& file) {
  STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(file.c_str());
  if (names == nullptr || SSL_CTX_load_verify_file(context, file.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return file_error(file, "client_ca");
  }
  SSL_CTX_set_client_CA_list(context, names);  // takes them
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  return absl::OkStatus();
}

}  // namespace

struct TlsContext::Settings {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  Settings() = default;
  ~Settings() { SSL_CTX_free(context); }
  Settings(const Settings&) = delete;
};

TlsContext::~TlsContext() = default;

absl::StatusOr<std::shared_ptr<const TlsContext::Settings>> TlsContext::load(const TlsOptions& options) {
  ERR_clear_error();
  const auto settings = std::make_shared<Settings>();
  SSL_CTX* const context = settings->context;
  if (context == nullptr) return absl::ResourceExhaustedError("no memory for TLS");
  set_rules(context);
  if (SSL_CTX_use_certificate_chain_file(context, options.certificate.c_str()) != 1)
    return file_error(options.certificate, "certificate");
  if (SSL_CTX_use_PrivateKey_file(context, options.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1)
    return file_error(options.key, "key");
  if (!options.client_ca.empty()) SAMARA_RETURN_IF_ERROR(use_client_ca(context, options.client_ca));
  return settings;
}

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::create(const TlsOptions& options) {
  std::vector<std::string> files{options.certificate, options.key};
  if (!options.client_ca.empty()) files.push_back(options.client_ca);
  SAMARA_ASSIGN_OR_RETURN(auto settings, Reloaded<Settings>::create("TLS certificates", std::move(files),
                                                                    [options] { return load(options); }));
  return std::unique_ptr<TlsContext>(new TlsContext(std::move(settings)));
}

absl::StatusOr<std::unique_ptr<TlsTransport>> TlsContext::accept(Socket& socket, Socket::TimePoint deadline) {
  const auto settings = settings_->get();
  SSL* const ssl = SSL_new(settings->context);  // holds on to the context
  if (ssl == nullptr) return absl::ResourceExhaustedError("no memory for TLS");
  auto transport = std::make_unique<TlsTransport>(socket, ssl);
  if (SSL_set_fd(ssl, socket.fd()) != 1) return absl::ResourceExhaustedError("no memory for TLS");
  SAMARA_RETURN_IF_ERROR(transport->handshake(deadline));
  return transport;
}

}  // namespace samara::http
