#include "peer/swarm_sites.h"

#include <netdb.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::peer {
namespace {

constexpr std::chrono::milliseconds kConnectTimeout{3'000}, kSilence{10'000};

/// "host" of "http://host:port/…"; an IPv6 address without its brackets.
std::string host_of(std::string_view url) {
  url.remove_prefix(std::min(url.size(), url.find("://") + 3));
  url = url.substr(0, url.find('/'));
  if (url.starts_with('[')) return std::string(url.substr(1, url.find(']') - 1));
  return std::string(url.substr(0, url.rfind(':')));
}

/// Numeric "address:port" of everything the host is known as.
std::vector<std::string> addresses(const std::string& host, std::uint16_t port) {
  std::vector<std::string> found;
  const addrinfo hints{.ai_flags = AI_NUMERICSERV, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = 0,
                       .ai_addrlen = 0, .ai_addr = nullptr, .ai_canonname = nullptr, .ai_next = nullptr};
  addrinfo* list = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list) != 0) return found;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    char name[NI_MAXHOST];
    if (::getnameinfo(at->ai_addr, at->ai_addrlen, name, sizeof name, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    found.push_back(at->ai_family == AF_INET6 ? str_cat("[", name, "]:", port) : str_cat(name, ":", port));
  }
  ::freeaddrinfo(list);
  return found;
}

}  // namespace

absl::StatusOr<SwarmTicket> SwarmSites::ask(const std::string& site, const Digest& blob, const std::stop_token& stop) {
  http::ClientRequest request;
  request.url = str_cat(site, kSwarmPath, blob.to_string());
  request.connect_timeout = kConnectTimeout;
  request.idle_timeout = kSilence;
  request.stop = stop;
  access_.apply(request);
  SAMARA_ASSIGN_OR_RETURN(const http::Response response, client_.get(request, kMaxTicketBytes));
  if (response.head.status == 404) return SwarmTicket{};  // a site without a swarm
  if (response.head.status != 200) {
    return absl::UnavailableError(str_cat("GET ", request.url, ": HTTP ", response.head.status));
  }
  absl::StatusOr<SwarmTicket> ticket = decode_swarm_ticket(response.body);
  if (!ticket.ok()) return annotate(ticket.status(), str_cat("GET ", request.url));
  return ticket;
}

absl::StatusOr<Swarm::Blob> SwarmSites::find(const Digest& blob, std::stop_token stop) {
  Swarm::Blob found{.digest = blob, .pieces = {}, .index = nullptr, .trackers = {}, .peers = {}};
  absl::Status error = absl::NotFoundError(str_cat("no site shares ", blob.to_string()));
  for (const std::string& site : urls_) {
    absl::StatusOr<SwarmTicket> ticket = ask(site, blob, stop);
    if (!ticket.ok()) {
      if (absl::IsNotFound(error)) error = ticket.status();
      continue;
    }
    if (ticket->state == SwarmTicket::State::kPreparing) error = absl::FailedPreconditionError("a site is hashing the blob");
    if (ticket->state != SwarmTicket::State::kReady) continue;
    if (found.trackers.empty()) found.pieces = std::move(ticket->pieces);
    else if (ticket->pieces != found.pieces) {
      log::warning("a site says other pieces of a blob than another", {{"site", site}, {"blob", blob.to_string()}});
      continue;
    }
    found.trackers.push_back(str_cat(site, kAnnouncePath, "?token=", ticket->token));
    for (std::string& address : addresses(host_of(site), ticket->seed_port)) found.peers.push_back(std::move(address));
  }
  if (found.trackers.empty()) return error;
  return found;
}

}  // namespace samara::peer
