#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

/// What shells and man(1) are to know of the command line, taken from the command line itself.
namespace samara::cli {

/// For `source <(samara completion bash)`; files where an option or argument takes anything else than a word of a list.
std::string bash_completion(const CLI::App& app);
std::string zsh_completion(const CLI::App& app);

struct ManPage {
  std::string name;  ///< "samara-job-show.1"
  std::string text;  ///< roff, as man(7) says
};
/// One page a command, the first one of all.
std::vector<ManPage> man_pages(const CLI::App& app, const std::string& version);

}  // namespace samara::cli
