#include <CLI/CLI.hpp>

#include "commands.h"

int main(int argc, char** argv) {
  CLI::App app{"Samara: containers that start before their images have arrived"};
  app.require_subcommand(1);
  app.set_version_flag("--version", SAMARA_VERSION);

  int exit_code = 0;
  samara::cli::add_convert(app, exit_code);
  samara::cli::add_verify(app, exit_code);
  samara::cli::add_mount(app, exit_code);
  samara::cli::add_status(app, exit_code);

  CLI11_PARSE(app, argc, argv);
  return exit_code;
}
