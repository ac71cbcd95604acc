#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"

namespace samara {

/// An HTTP proxy of a test's own on 127.0.0.1, one connection after the other. "CONNECT host:port" leads to that port of
/// 127.0.0.1, whatever the host; a request for an http:// URL it answers itself, with 200 and "by the proxy".
class ConnectProxy {
 public:
  /// What it says to whoever wants to CONNECT.
  enum class Mood { kHelpful, kRefuses, kSilent };
  explicit ConnectProxy(Mood mood = Mood::kHelpful);
  ~ConnectProxy();

  /// "http://127.0.0.1:port"
  std::string url() const;
  /// The first line of every request so far.
  std::vector<std::string> requests() const;

 private:
  void run();
  void serve(int client);
  void tunnel(int client, int server);
  bool wait_for(int fd);  // until it can be read; false when the proxy ends

  const Mood mood_;
  Fd listener_, stop_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace samara
