#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace CLI {
class App;
}

/// One function a subcommand: adds it to the command line; when it is chosen it runs and sets `exit_code`
/// (0 done, 1 failed, 2 called wrongly; others where a command's help says so).
namespace samara::cli {

void add_convert(CLI::App& app, int& exit_code);
void add_verify(CLI::App& app, int& exit_code);
void add_tar(CLI::App& app, int& exit_code);
void add_export(CLI::App& app, int& exit_code);
void add_import(CLI::App& app, int& exit_code);
void add_dedup(CLI::App& app, int& exit_code);
void add_mount(CLI::App& app, int& exit_code);
void add_status(CLI::App& app, int& exit_code);
void add_explain(CLI::App& app, int& exit_code);
void add_node(CLI::App& app, int& exit_code);
void add_trace(CLI::App& app, int& exit_code);
void add_hosts_toml(CLI::App& app, int& exit_code);
void add_doctor(CLI::App& app, int& exit_code);
void add_links(CLI::App& app, int& exit_code);
void add_swarm(CLI::App& app, int& exit_code);
void add_tag(CLI::App& app, int& exit_code);
void add_pins(CLI::App& app, int& exit_code);
void add_image(CLI::App& app, int& exit_code);
void add_help_commands(CLI::App& app, int& exit_code);
void add_logs_bundle(CLI::App& app, int& exit_code);
void add_fleet(CLI::App& app, int& exit_code);
void add_warm(CLI::App& app, int& exit_code);
void add_jobs(CLI::App& app, int& exit_code);
void add_fsck(CLI::App& app, int& exit_code);

/// Prints "samara: <message>" to stderr and gives 1; gives 0 for OK.
int report(const absl::Status& status);

}  // namespace samara::cli
