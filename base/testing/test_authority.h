#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"

namespace samara {

/// A certificate authority of a test's own. Everything it makes lies in a directory that goes with it.
/// What can't be made ends the test program.
class TestAuthority {
 public:
  TestAuthority();
  ~TestAuthority();

  /// PEM files; a later pair of the same name replaces the earlier one.
  struct Pair {
    std::string certificate, key;
  };
  struct Subject {
    std::string common_name;
    std::vector<std::string> names{};  ///< of subjectAltName: "DNS:a.example", "IP:127.0.0.1"
    std::chrono::seconds valid_for{3600};  ///< from now; less than 0: has expired
  };
  Pair issue(const std::string& name, const Subject& subject) const;
  /// For a server on 127.0.0.1 and localhost.
  Pair issue_server() const;

  /// The authority's own certificate.
  std::string file() const { return directory_.path() + "/ca.pem"; }
  const std::string& directory() const { return directory_.path(); }

 private:
  struct Key;
  TempDir directory_;
  std::unique_ptr<Key> key_;
};

}  // namespace samara
