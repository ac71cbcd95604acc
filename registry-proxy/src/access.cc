#include "registry_proxy/access.h"

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "oci_error.h"
#include "peer/site_protocol.h"
#include "registry_proxy/upstream.h"
#include "token_table.h"

namespace samara::registry_proxy {
namespace {

constexpr std::uint64_t kMaxTokensFile = 1u << 20;

std::string name_of(const http::ClientIdentity& identity) {
  if (!identity.common_name.empty() || identity.dns_names.empty()) return identity.common_name;
  return identity.dns_names.front();
}

bool shows_a_credential(const http::Request& request) {
  return request.headers.find(peer::kTokenHeader) || request.headers.find("Authorization");
}

}  // namespace

absl::Status Access::check(const http::Server::Options& server, const Options& options) {
  const bool asks = options.certificates || !options.tokens_file.empty();
  if (asks && options.open)
    return absl::InvalidArgumentError(
        str_cat("access = \"open\" on ", server.listen, " lets everybody in: it can't have client_ca or tokens_file"));
  if (asks || options.open || http::is_loopback(server.listen)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      str_cat("other machines reach ", server.listen, ": say who may use it by client_ca (with certificate and key), by ",
              "tokens_file, or by access = \"open\" for everybody"));
}

absl::StatusOr<std::unique_ptr<Access>> Access::create(const Options& options) {
  std::unique_ptr<Tokens> tokens;
  if (!options.tokens_file.empty()) {
    const auto load = [file = options.tokens_file]() -> absl::StatusOr<Tokens::Value> {
      SAMARA_ASSIGN_OR_RETURN(const std::string text, read_file(file, kMaxTokensFile));
      SAMARA_ASSIGN_OR_RETURN(TokenTable table, TokenTable::parse(text, file));
      return std::make_shared<const TokenTable>(std::move(table));
    };
    SAMARA_ASSIGN_OR_RETURN(tokens, Tokens::create("tokens", {options.tokens_file}, load));
  }
  return std::unique_ptr<Access>(new Access(options.certificates, std::move(tokens)));
}

Access::Access(bool certificates, std::unique_ptr<Tokens> tokens)
    : certificates_(certificates), tokens_(std::move(tokens)) {}
Access::~Access() = default;

std::optional<std::string> Access::admit(http::Request& request) const {
  std::optional<std::string> client;
  if (tokens_ == nullptr && !certificates_) client = "";
  if (certificates_ && request.identity) client = name_of(*request.identity);
  const auto tokens = tokens_ == nullptr ? nullptr : tokens_->get();
  const auto admit_by = [&](std::string_view token) {
    const std::string* name = tokens->find(token);
    if (name != nullptr && !client) client = *name;
    return name != nullptr;
  };
  if (tokens != nullptr) {
    admit_by(request.headers.get(peer::kTokenHeader));
    const auto secret = secret_of(request.headers.get("Authorization"));
    if (secret && admit_by(*secret)) request.headers.remove("Authorization");
  }
  if (client) request.headers.remove(peer::kTokenHeader);
  return client;
}

void Access::refuse(const http::Request& request, http::ResponseWriter& out) const {
  out.header("Docker-Distribution-Api-Version", "registry/2.0");
  out.header(kRefusedHeader, "client");
  if (tokens_ == nullptr) return answer_error(out, 403, "DENIED", "this site asks for a client certificate that it knows");
  if (shows_a_credential(request)) return answer_error(out, 403, "DENIED", "this site doesn't know that token");
  out.header("WWW-Authenticate", "Basic realm=\"samara\"");
  answer_error(out, 401, "UNAUTHORIZED", "this site asks for a token: Samara-Token, Bearer, or a password");
}

}  // namespace samara::registry_proxy
