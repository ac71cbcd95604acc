#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "registry_proxy/fill.h"

namespace samara::registry_proxy {

/// Whether a transfer that broke off is worth another request for the rest, and when.
///
/// One that never began isn't: its client is told at once, because it may know another registry. One that broke is, at
/// most FillOptions::max_resumes times without a MiB of progress; and so is one whose rest the registry wants us to ask
/// for later (429), if that is soon.
/// Threads: one.
class Resumes {
 public:
  /// `begin`: the position of the first byte that the transfer is to bring.
  Resumes(const FillOptions& options, std::uint64_t begin)
      : options_(options), begin_(begin), mark_(begin), pause_(options.resume_backoff) {}

  /// How long to wait before asking for what is missing from `position` on; nullopt: give up.
  std::optional<std::chrono::milliseconds> pause_after(const absl::Status& failure, std::uint64_t position);

 private:
  const FillOptions& options_;
  const std::uint64_t begin_;
  std::uint64_t mark_;
  int resumes_ = 0;  // since mark_
  std::chrono::milliseconds pause_;
};

}  // namespace samara::registry_proxy
