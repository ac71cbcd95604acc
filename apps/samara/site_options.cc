#include "site_options.h"

#include <CLI/CLI.hpp>

namespace samara::cli {

void add_site_access(CLI::App& command, peer::SiteAccess::Options& access) {
  command.add_option("--ca", access.ca, "PEM: who vouches for the site, in place of the system's");
  command.add_option("--client-cert,--certificate", access.certificate, "PEM: shown to a site that asks for one");
  command.add_option("--client-key,--key", access.key, "PEM: its private key");
  command.add_option("--token-file", access.token_file, "The site's token for us");
}

}  // namespace samara::cli
