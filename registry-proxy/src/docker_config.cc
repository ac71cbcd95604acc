#include "docker_config.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "base/status.h"
#include "base/text.h"
#include "json.h"

namespace samara::registry_proxy {
namespace {

constexpr std::string_view kDockerHubServer = "https://index.docker.io/v1/";

// A key of "auths" as a registry's name: "https://Registry.test/v2/" -> "registry.test". A path of another kind (some
// tools write one entry a repository) isn't a registry's name.
std::string registry_of(std::string_view key) {
  for (const std::string_view scheme : {"https://", "http://"})
    if (key.starts_with(scheme)) key.remove_prefix(scheme.size());
  for (const std::string_view path : {"/v1/", "/v2/", "/v1", "/v2", "/"})
    if (key.ends_with(path)) {
      key.remove_suffix(path.size());
      break;
    }
  std::string name = absl::AsciiStrToLower(to_absl(key));
  if (name == "index.docker.io" || name == "registry-1.docker.io") name = "docker.io";
  return name;
}

// The member of `object` whose key names the registry; a key that is its plain name goes first.
const nlohmann::json* find_registry(const nlohmann::json* object, const std::string& registry) {
  if (object == nullptr || !object->is_object()) return nullptr;
  if (const nlohmann::json* exact = json_member(*object, registry.c_str())) return exact;
  for (const auto& [key, value] : object->items())
    if (registry_of(key) == registry) return &value;
  return nullptr;
}

// The name becomes part of a program's name: no path, no option.
bool is_helper_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 && name[0] != '-' && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
         });
}

absl::StatusOr<std::optional<Credential>> read_entry(const nlohmann::json& entry) {
  Credential credential;
  credential.identity_token = json_text(entry, "identitytoken").value_or("");
  credential.username = json_text(entry, "username").value_or("");
  credential.password = json_text(entry, "password").value_or("");
  if (const std::string auth = json_text(entry, "auth").value_or(""); !auth.empty() && credential.username.empty()) {
    std::string pair;
    const bool read = absl::Base64Unescape(auth, &pair);
    const std::size_t colon = read ? pair.find(':') : std::string::npos;
    if (colon == std::string::npos) return absl::InvalidArgumentError("an \"auth\" isn't base64 of user:password");
    credential.username = pair.substr(0, colon);
    credential.password = pair.substr(colon + 1);
    while (!credential.password.empty() && credential.password.back() == '\0') credential.password.pop_back();
  }
  if (credential.identity_token.empty() && credential.username.empty()) return std::nullopt;
  return credential;
}

}  // namespace

std::string Credential::basic() const {
  return str_cat("Basic ", absl::Base64Escape(str_cat(username, ":", password)));
}

absl::StatusOr<DockerCredential> find_docker_credential(std::string_view config, std::string_view registry) {
  const auto parsed = parse_json(config);
  if (!parsed || !parsed->is_object()) return absl::InvalidArgumentError("not a docker config: no JSON object");
  const std::string name = registry_of(registry);
  DockerCredential result;
  result.server = name == "docker.io" ? std::string(kDockerHubServer) : name;
  if (const nlohmann::json* entry = find_registry(json_member(*parsed, "auths"), name); entry != nullptr) {
    SAMARA_ASSIGN_OR_RETURN(result.entry, read_entry(*entry));
  }
  result.helper = json_text(*parsed, "credsStore").value_or("");
  if (const nlohmann::json* own = find_registry(json_member(*parsed, "credHelpers"), name);
      own != nullptr && own->is_string())
    result.helper = own->get<std::string>();
  if (!result.helper.empty() && !is_helper_name(result.helper))
    return absl::InvalidArgumentError("a credential helper's name has a character that no program's name has");
  return result;
}

absl::StatusOr<Credential> parse_helper_answer(std::string_view answer) {
  const auto parsed = parse_json(answer);
  const auto username = parsed ? json_text(*parsed, "Username") : std::nullopt;
  const auto secret = parsed ? json_text(*parsed, "Secret") : std::nullopt;
  if (!username || !secret) return absl::InvalidArgumentError("the answer has no \"Username\" and \"Secret\"");
  if (*username == "<token>") return Credential{{}, {}, *secret};
  return Credential{*username, *secret, {}};
}

}  // namespace samara::registry_proxy
