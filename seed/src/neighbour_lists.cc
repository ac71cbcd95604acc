#include "seed/neighbour_lists.h"

#include <utility>

#include "base/status.h"
#include "base/text.h"

namespace samara::seed {

absl::StatusOr<peer::NeighbourList> NeighbourLists::list(const Digest& blob, std::string_view url,
                                                         std::string_view address) {
  SAMARA_ASSIGN_OR_RETURN(const std::string self, peer::neighbour_url(url, address));
  const bool here = cache_.has_object(blob) || (options_.knows && options_.knows(blob));
  peer::NeighbourList list{.public_key = key_.public_key(), .ticket = {}, .self = self, .ask_again = {}, .urls = {}};
  const auto now = std::chrono::floor<std::chrono::seconds>(clock_.wall_now());
  {
    const std::lock_guard lock(mutex_);
    if (!here && !readers_.knows(blob)) {
      return absl::NotFoundError(str_cat("this site doesn't know ", blob.to_string()));
    }
    SAMARA_ASSIGN_OR_RETURN(BlobReaders::Told told, readers_.ask(blob, self, clock_.now()));
    list.urls = std::move(told.urls);
    list.ask_again = told.ask_again;
  }
  list.ticket = peer::sign_ticket(key_, blob, address, now + options_.ticket_lifetime);
  return list;
}

bool NeighbourLists::handle(const http::Request& request, http::ResponseWriter& out) {
  const std::string_view path = request.target.path;
  if (!path.starts_with(peer::kNeighboursPath)) return false;
  // A client that left needs no answer: the statuses of respond() are dropped.
  if (request.method != "GET" && request.method != "HEAD") {
    out.header("Allow", "GET, HEAD");
    (void)out.respond(405, "only GET and HEAD\n", "text/plain");
    return true;
  }
  const absl::StatusOr<Digest> blob = Digest::parse(path.substr(peer::kNeighboursPath.size()));
  const bool may = blob.ok() && (!options_.may_have || options_.may_have(request, *blob));
  const absl::StatusOr<peer::NeighbourList> found =
      !blob.ok() ? blob.status()
      : !may     ? absl::NotFoundError("this site doesn't know the blob, or this node may not have it")
                 : list(*blob, request.target.query_value("url"), http::host_of_peer(request.peer));
  if (found.ok()) {
    (void)out.respond(200, peer::encode(*found), "text/plain");
  } else {
    const int status = absl::IsNotFound(found.status()) ? 404 : absl::IsInvalidArgument(found.status()) ? 400 : 503;
    (void)out.respond(status, str_cat(to_std(found.status().message()), "\n"), "text/plain");
  }
  return true;
}

}  // namespace samara::seed
