#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>

namespace samara::snapshotter {

/// Stop tokens that fire by themselves when their time is over, and all of them when the object is stopped. One thread
/// for all.
/// Threads: any.
class Deadlines {
 public:
  using Clock = std::chrono::steady_clock;

  /// A token with a time limit; disarmed when it goes. Must not outlive its Deadlines.
  class Armed {
   public:
    Armed(Deadlines& owner, Clock::time_point at, std::stop_source source);
    ~Armed();
    Armed(const Armed&) = delete;
    std::stop_token token() const { return source_.get_token(); }

   private:
    Deadlines& owner_;
    std::stop_source source_;
    std::multimap<Clock::time_point, std::stop_source>::iterator entry_;
  };

  Deadlines();
  ~Deadlines();

  Armed arm(std::chrono::milliseconds after);
  /// Fires every token, those armed later included.
  void stop();
  bool stopped() const;

 private:
  void run();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<Clock::time_point, std::stop_source> armed_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace samara::snapshotter
