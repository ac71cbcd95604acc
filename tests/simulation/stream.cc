#include "stream.h"

#include "image.h"

namespace samara::simulation {
namespace {

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(Timeline& timeline, Flow flow, StreamEnds ends) : timeline_(timeline), flow_(flow), ends_(std::move(ends)) {}

  void begin() {
    last_ = timeline_.now();
    listen();
    obtain();
  }

 private:
  void obtain() {
    if (obtained_ == ends_.units) return;
    ends_.obtain(obtained_, [self = shared_from_this()](bool has) { self->obtained(has); });
  }

  void obtained(bool has) {
    if (ended_ || !ends_.server.alive()) return;
    if (!has) {
      cut_short_ = true;
      if (came_ == obtained_) timeline_.after(ends_.server.latency(), [self = shared_from_this()] { self->end(StreamEnds::End::kShort); });
      return;
    }
    const std::size_t unit = obtained_++;
    ends_.server.send(ends_.client, flow_, kChunkBytes, [self = shared_from_this(), unit] { self->came(unit); });
    obtain();
  }

  void came(std::size_t unit) {
    if (ended_) return;
    last_ = timeline_.now();
    ++came_;
    ends_.on_unit(unit);
    if (came_ == ends_.units) end(StreamEnds::End::kComplete);
    else if (cut_short_ && came_ == obtained_) end(StreamEnds::End::kShort);
  }

  void listen() {
    timeline_.at(last_ + ends_.silence, [self = shared_from_this()] {
      if (self->ended_) return;
      if (self->timeline_.now() - self->last_ < self->ends_.silence) return self->listen();
      self->end(StreamEnds::End::kSilence);
    });
  }

  void end(StreamEnds::End how) {
    if (ended_) return;
    ended_ = true;
    ends_.server.up().drop(flow_);
    if (ends_.on_server_done) ends_.on_server_done();
    if (ends_.client.alive()) ends_.on_end(how);
  }

  Timeline& timeline_;
  const Flow flow_;
  const StreamEnds ends_;
  std::size_t obtained_ = 0, came_ = 0;
  bool cut_short_ = false, ended_ = false;
  TimePoint last_;
};

}  // namespace

void begin_stream(Timeline& timeline, Flow flow, StreamEnds ends) {
  std::make_shared<Stream>(timeline, flow, std::move(ends))->begin();
}

}  // namespace samara::simulation
