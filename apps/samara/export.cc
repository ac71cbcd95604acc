#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>

#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "converted_layers.h"
#include "tar_export.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(Writes the tar that the layer was before it was converted, byte for byte, to FILE or to standard output.

LAYER is a directory with index and blob; or give INDEX and BLOB. The tar's digest is compared with the diffID that the
index names once its last byte is written; FILE appears under its name only if they are equal. On standard output the
bytes are gone by then: the exit code is 1.

Examples:
  samara export converted/4f5a… -o layer.tar
  samara export converted/4f5a… | tar -tv)";

absl::Status run(const std::vector<std::string>& paths, const std::string& output) {
  SAMARA_ASSIGN_OR_RETURN(const std::vector<ConvertedFiles> found, find_converted(paths));
  if (found.size() != 1) {
    return absl::InvalidArgumentError(str_cat(paths[0], " holds ", found.size(), " layers: name one of them, as ", found[0].name));
  }
  SAMARA_ASSIGN_OR_RETURN(const OpenLayer layer, open_converted(found[0]));
  if (output.empty() || output == "-") {
    if (::isatty(STDOUT_FILENO) != 0) return absl::InvalidArgumentError("a tar is nothing for a terminal: use -o FILE");
    return export_tar(layer, STDOUT_FILENO);
  }
  return export_tar_file(layer, output);
}

}  // namespace

void add_export(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("export", "Writes a converted layer's original tar");
  command->footer(kHelp);
  const auto paths = std::make_shared<std::vector<std::string>>();  // the callback below outlives this function
  const auto output = std::make_shared<std::string>();
  command->add_option("LAYER", *paths, "DIR, or INDEX BLOB")->required()->expected(1, 2);
  command->add_option("-o,--output", *output, "File to write; standard output if not given");
  command->callback([paths, output, &exit_code] { exit_code = report(run(*paths, *output)); });
}

}  // namespace samara::cli
