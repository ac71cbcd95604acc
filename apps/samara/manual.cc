#include "manual.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <sstream>

#include "base/text.h"

namespace samara::cli {
namespace {

/// A command with the words that lead to it: {"samara", "job", "show"}.
using Visit = std::function<void(const std::vector<std::string>& path, const CLI::App& command)>;

void each_command(const CLI::App& command, std::vector<std::string> path, const Visit& visit) {
  path.push_back(path.empty() ? "samara" : command.get_name());
  visit(path, command);
  for (const CLI::App* sub : command.get_subcommands(nullptr)) each_command(*sub, path, visit);
}

std::string joined(const std::vector<std::string>& words, std::string_view with) {
  std::string text;
  for (const std::string& word : words) str_append(&text, text.empty() ? "" : with, word);
  return text;
}

// "--json --seed job show": what may follow the words that lead to a command.
std::vector<std::string> words_after(const CLI::App& command) {
  std::vector<std::string> words;
  for (const CLI::App* sub : command.get_subcommands(nullptr)) words.push_back(sub->get_name());
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
    for (const std::string& name : option->get_snames()) words.push_back("-" + name);
  }
  return words;
}

// The character that begins there, in UTF-8, as our own texts are; moves `at` to its last byte.
std::uint32_t character_at(std::string_view text, std::size_t& at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  const std::size_t more = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc0 ? 1 : 0;
  std::uint32_t character = more == 0 ? byte : byte & (0x3fu >> more);
  for (std::size_t i = 0; i < more && at + 1 < text.size(); ++i) character = (character << 6) | (static_cast<unsigned char>(text[++at]) & 0x3fu);
  return character;
}

// Text for man(7): no line begins with a control character, backslashes and dashes are themselves, and characters beyond
// ASCII are named, so that a page needs no encoding.
std::string roff(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((static_cast<unsigned char>(c) & 0x80) != 0) {
      char name[16];
      std::snprintf(name, sizeof name, "\\[u%04X]", character_at(text, at));
      out += name;
    } else {
      out += c;
    }
    line_begins = c == '\n';
  }
  return out;
}

void describe_options(const CLI::App& command, std::string& page) {
  std::string arguments, options;
  for (const CLI::Option* option : command.get_options()) {
    const bool positional = option->nonpositional() == false || (option->get_lnames().empty() && option->get_snames().empty());
    std::string names;
    for (const std::string& name : option->get_snames()) str_append(&names, names.empty() ? "" : ", ", "-", name);
    for (const std::string& name : option->get_lnames()) str_append(&names, names.empty() ? "" : ", ", "--", name);
    if (positional && names.empty()) names = option->get_name(true);
    std::string said = option->get_description();
    if (!option->get_default_str().empty()) str_append(&said, " (default ", option->get_default_str(), ")");
    if (!option->get_envname().empty()) str_append(&said, " (environment: ", option->get_envname(), ")");
    str_append(positional ? &arguments : &options, ".TP\n.B ", roff(names), "\n", roff(said), "\n");
  }
  if (!arguments.empty()) str_append(&page, ".SH ARGUMENTS\n", arguments);
  if (!options.empty()) str_append(&page, ".SH OPTIONS\n", options);
}

std::string page_of(const std::vector<std::string>& path, const CLI::App& command, const std::string& version) {
  std::string page = str_cat(".TH ", roff(joined(path, "-")), " 1 \"\" \"samara ", roff(version), "\" \"Samara\"\n.SH NAME\n",
                             roff(joined(path, "-")), " \\- ", roff(command.get_description()), "\n.SH SYNOPSIS\n.B ", roff(joined(path, " ")), "\n");
  str_append(&page, command.get_subcommands(nullptr).empty() ? "[OPTIONS] [ARGUMENTS]\n" : "COMMAND\n");
  if (!command.get_footer().empty()) str_append(&page, ".SH DESCRIPTION\n.nf\n", roff(command.get_footer()), "\n.fi\n");
  describe_options(command, page);
  std::string commands;
  for (const CLI::App* sub : command.get_subcommands(nullptr))
    str_append(&commands, ".TP\n.B ", roff(joined(path, "-")), "\\-", roff(sub->get_name()), "(1)\n", roff(sub->get_description()), "\n");
  if (!commands.empty()) str_append(&page, ".SH COMMANDS\n", commands);
  return page;
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  std::string cases;
  each_command(app, {}, [&](const std::vector<std::string>& path, const CLI::App& command) {
    str_append(&cases, "    '", joined(path, " "), "') words='", joined(words_after(command), " "), "' ;;\n");
  });
  return str_cat("# Completion of samara for bash: source <(samara completion bash)\n_samara() {\n"
                 "  local word path=samara words='' current=${COMP_WORDS[COMP_CWORD]}\n"
                 "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                 "    case \" $(_samara_words \"$path\") \" in *\" $word \"*) [[ $word == -* ]] || path=\"$path $word\" ;; esac\n"
                 "  done\n"
                 "  mapfile -t COMPREPLY < <(compgen -W \"$(_samara_words \"$path\")\" -- \"$current\")\n"
                 "}\n_samara_words() {\n  local words=''\n  case $1 in\n",
                 cases, "  esac\n  printf '%s' \"$words\"\n}\ncomplete -o default -F _samara samara\n");
}

std::string zsh_completion(const CLI::App& app) {
  // zsh runs bash's by its own bashcompinit; mapfile and COMP_WORDS[@]:1 are what it lacks.
  std::string cases;
  each_command(app, {}, [&](const std::vector<std::string>& path, const CLI::App& command) {
    str_append(&cases, "    ('", joined(path, " "), "') reply=(", joined(words_after(command), " "), ") ;;\n");
  });
  return str_cat("#compdef samara\n# Completion of samara for zsh: source <(samara completion zsh)\n"
                 "_samara_words() {\n  reply=()\n  case $1 in\n",
                 cases,
                 "  esac\n}\n_samara() {\n  local word at=samara; local -a reply\n"
                 "  for word in ${words[2,CURRENT-1]}; do\n    _samara_words $at\n"
                 "    [[ $word != -* && -n ${reply[(r)$word]} ]] && at=\"$at $word\"\n  done\n"
                 "  _samara_words $at\n  compadd -- $reply || _files\n}\n(( $+functions[compdef] )) && compdef _samara samara\n"
                 "# Loaded from a directory of $fpath, this file is the first call.\n[[ ${funcstack[1]} == _samara ]] && _samara \"$@\"\n");
}

std::vector<ManPage> man_pages(const CLI::App& app, const std::string& version) {
  std::vector<ManPage> pages;
  each_command(app, {}, [&](const std::vector<std::string>& path, const CLI::App& command) {
    pages.push_back({joined(path, "-") + ".1", page_of(path, command, version)});
  });
  return pages;
}

}  // namespace samara::cli
