#include "registry_proxy/names.h"

#include <algorithm>

#include "base/status.h"
#include "base/text.h"

namespace samara::registry_proxy {
namespace {

constexpr std::string_view kDockerHub = "docker.io";
constexpr std::size_t kMaxRepository = 255, kMaxTag = 128, kMaxHost = 253;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The length of a separator within a component: ".", "_", "__" or any number of "-"; 0 for anything else.
std::size_t separator_length(std::string_view text) {
  if (text.empty()) return 0;
  if (text.starts_with("__")) return 2;
  if (text[0] == '.' || text[0] == '_') return 1;
  return std::min(text.find_first_not_of('-'), text.size());
}

bool is_component(std::string_view text) {
  while (true) {
    const auto word_end = std::find_if_not(text.begin(), text.end(), is_lower_or_digit);
    if (word_end == text.begin()) return false;
    text.remove_prefix(static_cast<std::size_t>(word_end - text.begin()));
    if (text.empty()) return true;
    const std::size_t separator = separator_length(text);
    if (separator == 0) return false;
    text.remove_prefix(separator);
  }
}

bool is_host_label(std::string_view label) {
  return !label.empty() && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(), [](char c) { return is_lower_or_digit(c) || is_upper(c) || c == '-'; });
}

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > kMaxHost) return false;
  if (host.front() == '[')  // IPv6
    return host.size() > 2 && host.back() == ']' &&
           host.substr(1, host.size() - 2).find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
  while (true) {
    const std::size_t dot = std::min(host.find('.'), host.size());
    if (!is_host_label(host.substr(0, dot))) return false;
    if (dot == host.size()) return true;
    host.remove_prefix(dot + 1);
  }
}

bool is_port(std::string_view port) {
  return !port.empty() && port.size() <= 5 && std::all_of(port.begin(), port.end(), is_digit);
}

}  // namespace

bool is_registry_name(std::string_view name) {
  const std::size_t after_host = name.starts_with('[') ? std::min(name.find(']'), name.size()) : 0;
  const std::size_t colon = name.find(':', after_host);
  if (colon == std::string_view::npos) return is_host(name);
  return is_host(name.substr(0, colon)) && is_port(name.substr(colon + 1));
}

bool is_repository_name(std::string_view name) {
  if (name.size() > kMaxRepository) return false;
  while (true) {
    const std::size_t slash = std::min(name.find('/'), name.size());
    if (!is_component(name.substr(0, slash))) return false;
    if (slash == name.size()) return true;
    name.remove_prefix(slash + 1);
  }
}

bool is_tag(std::string_view tag) {
  if (tag.empty() || tag.size() > kMaxTag || tag[0] == '.' || tag[0] == '-') return false;
  return std::all_of(tag.begin(), tag.end(), [](char c) {
    return is_lower_or_digit(c) || is_upper(c) || c == '_' || c == '.' || c == '-';
  });
}

absl::StatusOr<Repository> make_repository(std::string_view registry, std::string_view name) {
  if (!is_registry_name(registry)) return absl::InvalidArgumentError("not the name of a registry");
  if (!is_repository_name(name)) return absl::InvalidArgumentError("not the name of a repository");
  Repository repository{std::string(registry), std::string(name)};
  if (registry == "index.docker.io" || registry == "registry-1.docker.io") repository.registry = kDockerHub;
  if (repository.registry == kDockerHub && name.find('/') == std::string_view::npos)
    repository.name = str_cat("library/", name);
  if (repository.name.size() > kMaxRepository) return absl::InvalidArgumentError("the repository's name is too long");
  return repository;
}

absl::StatusOr<Reference> parse_reference(std::string_view text) {
  if (text.find(':') != std::string_view::npos) {
    SAMARA_ASSIGN_OR_RETURN(Digest digest, Digest::parse(text));
    return Reference{{}, digest};
  }
  if (!is_tag(text)) return absl::InvalidArgumentError("not a tag or a digest");
  return Reference{std::string(text), std::nullopt};
}

absl::StatusOr<ImageName> parse_image_name(std::string_view text) {
  ImageName name{kDockerHub, text, Reference{"latest", std::nullopt}};
  if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    const std::string_view first = text.substr(0, slash);
    if (first == "localhost" || first.find_first_of(".:") != std::string_view::npos) {
      name.registry = first;
      name.repository = text.substr(slash + 1);
    }
  }
  if (const std::size_t at = name.repository.find('@'); at != std::string_view::npos) {
    SAMARA_ASSIGN_OR_RETURN(const Digest digest, Digest::parse(name.repository.substr(at + 1)));
    name.reference = Reference{{}, digest};
    name.repository = name.repository.substr(0, at);
  }
  if (const std::size_t colon = name.repository.find(':'); colon != std::string_view::npos) {
    const std::string_view tag = name.repository.substr(colon + 1);
    if (!is_tag(tag)) return absl::InvalidArgumentError("not a tag");
    if (!name.reference.digest) name.reference.tag = tag;
    name.repository = name.repository.substr(0, colon);
  }
  return name;
}

}  // namespace samara::registry_proxy
