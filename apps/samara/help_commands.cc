#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "manual.h"

namespace samara::cli {
namespace {

absl::Status write_pages(const CLI::App& app, const std::string& directory) {
  SAMARA_RETURN_IF_ERROR(make_directories(directory));
  for (const ManPage& page : man_pages(app, SAMARA_VERSION)) SAMARA_RETURN_IF_ERROR(write_file_atomic(str_cat(directory, "/", page.name), page.text));
  return absl::OkStatus();
}

}  // namespace

void add_help_commands(CLI::App& app, int& exit_code) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* completion = app.add_subcommand("completion", "Prints what a shell needs to complete samara's words");
  completion->footer("Examples:\n  source <(samara completion bash)\n  samara completion zsh >/usr/share/zsh/vendor-completions/_samara");
  completion->add_option("SHELL", *shell, "bash or zsh")->required()->check(CLI::IsMember({"bash", "zsh"}));
  completion->callback([&app, shell, &exit_code] {
    std::printf("%s", (*shell == "bash" ? bash_completion(app) : zsh_completion(app)).c_str());
    exit_code = 0;
  });
  const auto directory = std::make_shared<std::string>();
  CLI::App* man = app.add_subcommand("man", "Writes the manual pages, one a command");
  man->footer("Examples:\n  samara man /usr/local/share/man/man1 && man samara-warm");
  man->add_option("DIRECTORY", *directory, "Where to")->required();
  man->callback([&app, directory, &exit_code] { exit_code = report(write_pages(app, *directory)); });
}

}  // namespace samara::cli
