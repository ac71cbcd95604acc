#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "peer/site_access.h"

namespace samara::cli {

/// A node's or a site's pins, whichever the address is of.
class Pins {
 public:
  virtual ~Pins() = default;
  virtual absl::StatusOr<nlohmann::json> list() = 0;  ///< an array, as the site gives it
  virtual absl::Status add(const std::string& name, const std::string& reason, std::uint64_t seconds) = 0;
  virtual absl::Status remove(const std::string& name) = 0;
};

/// The pins of the node at a socket ("unix:///…"), or of the site at a URL. Errors: those of peer::SiteAccess::create().
absl::StatusOr<std::unique_ptr<Pins>> pins_at(const std::string& address, const peer::SiteAccess::Options& access);

/// "90m", "24h" in seconds, as in configuration files. InvalidArgument, naming the option.
absl::StatusOr<std::uint64_t> seconds_of(const std::string& text, const std::string& option);

/// "user@host": stands in a pin's reason, for whoever finds it later.
std::string who_asks();

/// "2026-03-01 12:00:00" here; "never" for 0.
std::string time_text(std::uint64_t seconds);

}  // namespace samara::cli
