#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "cache_index/fsck.h"

namespace samara::cache_index {

/// Runs checks in a process of its own, so that this one stays without RocksDB's threads and may fork again.
inline bool holds_in_child(const std::function<void()>& checks) {
  const pid_t child = ::fork();
  if (child == 0) {
    checks();
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// No row lies, as it was found: nothing has mended it yet.
inline void expect_no_lie(const std::string& root) {
  using Kind = FsckProblem::Kind;
  const auto report = fsck({.root = root, .mend = false, .threads = 1, .progress = {}});
  ASSERT_TRUE(report.ok()) << report.status();
  for (const FsckProblem& problem : report->problems) {
    EXPECT_TRUE(problem.kind == Kind::kBytesWithoutRow || problem.kind == Kind::kInterruptedWrite)
        << to_string(problem.kind) << ": " << problem.what;
  }
}

}  // namespace samara::cache_index
