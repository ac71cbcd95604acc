#pragma once

namespace samara::peer {

/// Keeps this file's socket() in the program; see tcp_nodelay.cc.
void use_tcp_nodelay();

}  // namespace samara::peer
