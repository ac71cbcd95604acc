#include "parent_options.h"

#include <algorithm>

#include "base/status.h"
#include "base/text.h"

namespace samara {
namespace {

absl::Status check_urls(std::string_view key, const std::vector<std::string>& urls) {
  for (const std::string& url : urls) {
    if (url.starts_with("http://") || url.starts_with("https://")) continue;
    return absl::InvalidArgumentError(str_cat(key, ": \"", url, "\" is not an http:// or https:// URL"));
  }
  return absl::OkStatus();
}

absl::Status read_access(Config& table, peer::SiteAccess::Options& access) {
  access.ca = table.text("ca_file");
  access.certificate = table.text("certificate");
  access.key = table.text("key");
  access.token_file = table.text("token_file");
  if (access.certificate.empty() == access.key.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("certificate and key are needed both or neither");
}

absl::Status read_siblings(Config& table, ParentOptions& options) {
  options.siblings.urls = table.texts("urls");
  options.siblings.self = table.text("self");
  SAMARA_RETURN_IF_ERROR(check_urls("urls", options.siblings.urls));
  SAMARA_RETURN_IF_ERROR(read_access(table, options.sibling_access));
  const auto& urls = options.siblings.urls;
  if (urls.empty() && options.siblings.self.empty()) return absl::OkStatus();
  if (std::find(urls.begin(), urls.end(), options.siblings.self) != urls.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(str_cat("self (\"", options.siblings.self, "\") must be one of urls"));
}

template <typename Value>
absl::Status choose(std::string_view key, const std::string& text, std::initializer_list<std::pair<std::string_view, Value>> choices,
                    Value& value) {
  std::string words;
  for (const auto& [word, meaning] : choices) {
    str_append(&words, words.empty() ? "" : ", ", "\"", word, "\"");
    if (word != text) continue;
    value = meaning;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(str_cat(key, " must be one of ", words, ", not \"", text, "\""));
}

absl::Status read(Config& table, ParentOptions& options) {
  using Registries = ParentOptions::Registries;
  using OverBudget = peer::Link::OverBudget;
  options.urls = table.texts("urls");
  SAMARA_RETURN_IF_ERROR(check_urls("urls", options.urls));
  SAMARA_RETURN_IF_ERROR(read_access(table, options.access));
  options.link.name = table.text("name", options.link.name);
  if (options.link.name.empty() || options.link.name.find_first_of(" \t\n\"") != std::string::npos)
    return absl::InvalidArgumentError("name must be a word");
  options.link.bytes_per_second = table.size("bytes_per_second", options.link.bytes_per_second);
  options.link.bytes_per_day = table.size("bytes_per_day", options.link.bytes_per_day);
  SAMARA_RETURN_IF_ERROR(choose<OverBudget>("over_budget", table.text("over_budget", "reads"),
                                            {{"reads", OverBudget::kReads}, {"nothing", OverBudget::kNothing}},
                                            options.link.over_budget));
  SAMARA_RETURN_IF_ERROR(choose<Registries>(
      "registries", table.text("registries", "first"),
      {{"first", Registries::kFirst}, {"only", Registries::kOnly}, {"never", Registries::kNever}}, options.registries));
  return annotate(read_siblings(table.table("siblings"), options), "siblings");
}

}  // namespace

absl::Status read_standby_options(Config& table, StandbyOptions& options) {
  options.urls = table.texts("urls");
  SAMARA_RETURN_IF_ERROR(annotate(check_urls("urls", options.urls), "standbys"));
  return annotate(read_access(table, options.access), "standbys");
}

absl::Status read_parent_options(Config& table, ParentOptions& options) { return annotate(read(table, options), "parent"); }

}  // namespace samara
