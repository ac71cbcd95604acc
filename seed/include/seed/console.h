#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/http/server.h"
#include "seed/warming.h"

namespace samara::seed {

/// What a console shows of the site itself.
struct SiteFacts {
  struct Swarm {
    std::string blob;
    std::uint32_t pieces = 0, pieces_total = 0;
    int peers = 0, upload_rate = 0;
    std::uint64_t uploaded = 0;
  };
  std::uint64_t disk_used = 0, disk_limit = 0;  ///< of its cache; 0: no limit
  std::uint64_t layers = 0;                     ///< converted
  std::vector<Swarm> swarms;
};

/// A page to watch a site's nodes and warm jobs, and what it is made of. Everything it needs is compiled in.
///
///   GET  /console/                                  the page (also without the last slash)
///   GET  /samara/v1/fleet                           proto/…/seed.proto's Overview as JSON
///   GET  /samara/v1/fleet/nodes?selector=&limit=    ... its NodeList: the first `limit` of those that are meant
///   POST /samara/v1/fleet/jobs/<id>/<cancel|resume|retry>   for clients that the site knows by a name (token or
///        certificate), with a header Samara-Console, which no other site's page can send; 403 for the others
/// Threads: any.
class Console {
 public:
  /// `warming` is borrowed. `facts` is asked for each Overview.
  Console(Warming& warming, std::function<SiteFacts()> facts, std::string version)
      : warming_(warming), facts_(std::move(facts)), version_(std::move(version)) {}

  /// False when the request is for something else.
  bool handle(const http::Request& request, http::ResponseWriter& out);

 private:
  void answer_overview(const http::Request& request, http::ResponseWriter& out);
  void answer_nodes(const http::Request& request, http::ResponseWriter& out);
  void change_job(const http::Request& request, http::ResponseWriter& out);

  Warming& warming_;
  const std::function<SiteFacts()> facts_;
  const std::string version_;
};

}  // namespace samara::seed
