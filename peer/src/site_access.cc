#include "peer/site_access.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "peer/site_protocol.h"

namespace samara::peer {
namespace {

absl::StatusOr<std::shared_ptr<const std::string>> read_token(const std::string& file) {
  SAMARA_ASSIGN_OR_RETURN(std::string token, read_file(file, 4096));
  absl::StripAsciiWhitespace(&token);
  const bool printable = std::all_of(token.begin(), token.end(), [](unsigned char c) { return absl::ascii_isgraph(c); });
  if (token.empty() || !printable) return absl::InvalidArgumentError(str_cat(file, " isn't one line with a token"));
  return std::make_shared<const std::string>(std::move(token));
}

}  // namespace

absl::StatusOr<SiteAccess> SiteAccess::create(Options options) {
  if (options.certificate.empty() != options.key.empty())
    return absl::InvalidArgumentError("a site's client certificate and its key are needed both or neither");
  SiteAccess access;
  access.options_ = std::move(options);
  if (const std::string& file = access.options_.token_file; !file.empty()) {
    SAMARA_ASSIGN_OR_RETURN(access.token_,
                            Reloaded<std::string>::create("the site's token", {file}, [file] { return read_token(file); }));
  }
  return access;
}

void SiteAccess::apply(http::ClientRequest& request) const {
  request.ca_file = options_.ca;
  request.client_certificate = options_.certificate;
  request.client_key = options_.key;
  if (token_ != nullptr) request.headers.set(kTokenHeader, *token_->get());
}

}  // namespace samara::peer
