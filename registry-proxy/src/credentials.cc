#include "credentials.h"

#include "base/file.h"
#include "base/status.h"
#include "credential_helper.h"

namespace samara::registry_proxy {
namespace {

constexpr std::uint64_t kMaxPassword = 64 * 1024, kMaxDockerConfig = 4u << 20;

absl::StatusOr<std::string> read_password(const std::string& path) {
  if (path.empty()) return std::string();
  SAMARA_ASSIGN_OR_RETURN(std::string password, read_file(path, kMaxPassword));
  while (!password.empty() && (password.back() == '\n' || password.back() == '\r')) password.pop_back();
  return password;
}

}  // namespace

absl::StatusOr<std::optional<Credential>> Credentials::get() const {
  if (!config_.username.empty()) {
    SAMARA_ASSIGN_OR_RETURN(std::string password, read_password(config_.password_file));
    return Credential{config_.username, std::move(password), {}};
  }
  if (config_.docker_config.empty()) return std::nullopt;
  SAMARA_ASSIGN_OR_RETURN(const std::string text, read_file(config_.docker_config, kMaxDockerConfig));
  auto found = find_docker_credential(text, config_.registry);
  if (!found.ok()) return annotate(found.status(), config_.docker_config);
  if (found->helper.empty()) return found->entry;
  SAMARA_ASSIGN_OR_RETURN(auto credential,
                          run_credential_helper(found->helper, found->server, config_.helper_timeout));
  return credential ? credential : found->entry;
}

}  // namespace samara::registry_proxy
