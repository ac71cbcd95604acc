#include "seed_client.h"

#include <CLI/CLI.hpp>

#include "absl/strings/ascii.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "site_options.h"

namespace samara::cli {
namespace {

constexpr std::uint64_t kMaxPem = 1u << 20;
constexpr int kMaxMessageBytes = 64 << 20;

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> credentials(const peer::SiteAccess::Options& access) {
  if (access.ca.empty() && access.certificate.empty()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  if (!access.ca.empty()) {
    SAMARA_ASSIGN_OR_RETURN(ssl.pem_root_certs, read_file(access.ca, kMaxPem));
  }
  if (access.certificate.empty() != access.key.empty()) return absl::InvalidArgumentError("--certificate and --key are needed both or neither");
  if (!access.certificate.empty()) {
    SAMARA_ASSIGN_OR_RETURN(ssl.pem_cert_chain, read_file(access.certificate, kMaxPem));
    SAMARA_ASSIGN_OR_RETURN(ssl.pem_private_key, read_file(access.key, kMaxPem));
  }
  return grpc::SslCredentials(ssl);
}

}  // namespace

void add_seed_address(CLI::App& command, SeedAddress& seed) {
  command.add_option("--seed", seed.address, "Where the site's seed listens: unix:///PATH or HOST:PORT")
      ->envname("SAMARA_SEED")
      ->capture_default_str();
  add_site_access(command, seed.access);
}

absl::StatusOr<SeedClient> SeedClient::connect(const SeedAddress& seed) {
  SAMARA_ASSIGN_OR_RETURN(const auto shown, credentials(seed.access));
  std::string token;
  if (!seed.access.token_file.empty()) {
    SAMARA_ASSIGN_OR_RETURN(token, read_file(seed.access.token_file, 4096));
    absl::StripAsciiWhitespace(&token);
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  return SeedClient(seed.address, std::move(token), seed::v1::Seed::NewStub(grpc::CreateCustomChannel(seed.address, shown, arguments)));
}

void SeedClient::prepare(grpc::ClientContext& context) const {
  if (!token_.empty()) context.AddMetadata("samara-token", token_);
}

absl::Status SeedClient::to_status(const grpc::Status& status) const {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  if (code != absl::StatusCode::kUnavailable && code != absl::StatusCode::kDeadlineExceeded) return absl::Status(code, status.error_message());
  return absl::UnavailableError(str_cat("no seed answers at ", address_, " (", status.error_message(),
                                        "): is samara-site running there, with [seed] enabled? --seed names another"));
}

}  // namespace samara::cli
