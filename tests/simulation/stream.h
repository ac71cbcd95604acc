#pragma once

#include <functional>
#include <memory>

#include "network.h"

namespace samara::simulation {

/// An answer over HTTP: units that the server has or gets, one after the other, to a client who loses patience when
/// nothing comes.
struct StreamEnds {
  Machine& server;
  Machine& client;
  std::size_t units = 0;
  Duration silence{};  ///< without a unit, until the client gives up
  /// The server has unit `i`, or won't get it: then the answer ends before it.
  std::function<void(std::size_t i, std::function<void(bool has)>)> obtain;
  std::function<void(std::size_t i)> on_unit;  ///< it came
  enum class End { kComplete, kShort, kSilence };
  std::function<void(End)> on_end;  ///< once, of a client that lives; nothing comes after it
  std::function<void()> on_server_done = nullptr;  ///< once: the server has no more to do with it
};

/// Begins an answer; it keeps itself alive until it has ended.
void begin_stream(Timeline& timeline, Flow flow, StreamEnds ends);

}  // namespace samara::simulation
