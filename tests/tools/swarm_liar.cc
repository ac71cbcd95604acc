#include "swarm_liar.h"

#include <fcntl.h>
#include <unistd.h>

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/settings_pack.hpp>
#include <libtorrent/torrent_info.hpp>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "peer/torrent.h"

namespace samara {

absl::Status with_liar(const std::string& directory, const std::string& listen, const peer::Swarm::Blob& blob,
                       const std::function<void()>& wait) {
  SAMARA_RETURN_IF_ERROR(make_directories(directory));
  const std::string path = str_cat(directory, "/sha256-", blob.digest.hex());
  SAMARA_ASSIGN_OR_RETURN(const Fd file, open_file(path, O_RDWR | O_CREAT));
  if (::ftruncate(file.get(), static_cast<off_t>(blob.pieces.size)) != 0) return errno_status(errno, path);

  lt::settings_pack pack;
  pack.set_str(lt::settings_pack::listen_interfaces, listen);
  pack.set_bool(lt::settings_pack::enable_dht, false);
  pack.set_bool(lt::settings_pack::ssrf_mitigation, false);
  lt::session session{lt::session_params(std::move(pack))};
  lt::add_torrent_params params;
  lt::error_code error;
  params.ti = std::make_shared<lt::torrent_info>(peer::torrent_file(blob.digest, blob.pieces), error, lt::from_span);
  params.save_path = directory;
  params.trackers = blob.trackers;
  params.flags = lt::torrent_flags::seed_mode;
  session.add_torrent(std::move(params), error);
  if (error) return absl::InternalError(to_absl(error.message()));
  wait();
  return absl::OkStatus();
}

}  // namespace samara
