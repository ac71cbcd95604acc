#include <CLI/CLI.hpp>

#include "commands.h"

int main(int argc, char** argv) {
  CLI::App app{"Samara: containers that start before their images have arrived"};
  app.require_subcommand(1);
  app.set_version_flag("--version", SAMARA_VERSION);

  int exit_code = 0;
  samara::cli::add_convert(app, exit_code);
  samara::cli::add_verify(app, exit_code);
  samara::cli::add_tar(app, exit_code);
  samara::cli::add_dedup(app, exit_code);
  samara::cli::add_mount(app, exit_code);
  samara::cli::add_warm(app, exit_code);
  samara::cli::add_jobs(app, exit_code);
  samara::cli::add_fleet(app, exit_code);
  samara::cli::add_status(app, exit_code);
  samara::cli::add_explain(app, exit_code);
  samara::cli::add_node(app, exit_code);
  samara::cli::add_trace(app, exit_code);
  samara::cli::add_hosts_toml(app, exit_code);
  samara::cli::add_doctor(app, exit_code);
  samara::cli::add_links(app, exit_code);
  samara::cli::add_swarm(app, exit_code);
  samara::cli::add_tag(app, exit_code);
  samara::cli::add_pins(app, exit_code);
  samara::cli::add_image(app, exit_code);
  samara::cli::add_export(app, exit_code);
  samara::cli::add_import(app, exit_code);
  samara::cli::add_fsck(app, exit_code);
  samara::cli::add_logs_bundle(app, exit_code);
  samara::cli::add_help_commands(app, exit_code);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;  // --help and --version end here too
  }
  return exit_code;
}
