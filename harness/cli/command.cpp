// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/command.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <iomanip>
#include <iostream>
#include <new>
#include <sstream>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/version.h"
#include "harness/cli/root.h"
#include "policies/namm/namm.h"
#include "policies/plugin/plugin.h"

namespace lethe::cli {

namespace {

/// Commands of the shell script ./lethe, which builds this program and so must work without it.
const std::vector<std::pair<std::string, std::string>>& launcher_commands() {
  static const std::vector<std::pair<std::string, std::string>> commands{
      {"setup", "get what is missing: system packages, LibTorch, the default model"},
      {"doctor", "say what is there, what is missing and how to get it"},
      {"test", "build and run the test suite"}};
  return commands;
}

std::string overview(const std::vector<Command>& commands) {
  std::ostringstream out;
  out << "lethe: what a language model loses when it keeps only part of its past\n\n"
         "Usage: lethe COMMAND [options]\n\nCommands:\n";
  for (const auto& command : commands) {
    if (command.spec.hidden) continue;
    out << "  " << std::left << std::setw(11) << command.spec.name << command.spec.summary << '\n';
  }
  out << "\nCommands of the launcher ./lethe:\n";
  for (const auto& [name, summary] : launcher_commands()) {
    out << "  " << std::left << std::setw(11) << name << summary << '\n';
  }
  out << "\n`lethe COMMAND --help` explains a command; `lethe --version` says what this is.\n"
         "Exit codes: 0 all well, 1 some cells failed, 2 usage or configuration,\n"
         "3 an invariant of the measurements is violated, 130 interrupted.\n";
  return out.str();
}

std::string version_text() {
  const auto& stamp = version();
  return "lethe " + stamp.version + " (commit " + stamp.git_commit.substr(0, 12) +
         (stamp.git_dirty ? ", with local changes" : "") + "; engine version " +
         std::to_string(kEngineVersion) + "; " + stamp.compiler + ", " + stamp.build_type + ")\n";
}

const Command& find_command(const std::vector<Command>& commands, const std::string& name) {
  for (const auto& command : commands) {
    if (command.spec.name == name) return command;
  }
  std::vector<std::string> known{"help"};
  for (const auto& command : commands) {
    if (!command.spec.hidden) known.push_back(command.spec.name);
  }
  for (const auto& [launcher, summary] : launcher_commands()) {
    if (launcher == name) {
      throw Error(ErrorKind::kUsage, "'" + name +
                                         "' belongs to the launcher script in the root of the "
                                         "repository: run ./lethe " +
                                         name);
    }
    known.push_back(launcher);
  }
  throw unknown_name(ErrorKind::kUsage, "command", name, known);
}

bool asks_for_help(const std::vector<std::string>& words) {
  const auto end = std::find(words.begin(), words.end(), "--");
  return std::any_of(words.begin(), end,
                     [](const auto& word) { return word == "--help" || word == "-h"; });
}

int help(const std::vector<Command>& commands, const std::vector<std::string>& words) {
  if (words.empty()) {
    std::cout << overview(commands);
    return kExitOk;
  }
  if (words[0] == "--examples") {  // for the test that runs them all
    for (const auto& command : commands) {
      for (const auto& example : command.spec.examples) std::cout << example.line << '\n';
    }
    return kExitOk;
  }
  std::cout << help_text(find_command(commands, words[0]).spec);
  return kExitOk;
}

int dispatch(const std::vector<Command>& commands, std::vector<std::string> words) {
  if (words.empty()) {
    std::cerr << overview(commands);
    return kExitUsage;
  }
  const std::string name = words.front();
  words.erase(words.begin());
  if (name == "--version" || name == "version") {
    std::cout << version_text();
    return kExitOk;
  }
  if (name == "help" || name == "--help" || name == "-h") return help(commands, words);
  const Command& command = find_command(commands, name);
  if (asks_for_help(words)) {
    std::cout << help_text(command.spec);
    return kExitOk;
  }
  try {
    if (command.forward) return command.forward(words);
    const Options options = parse_options(command.spec.options, command.spec.arguments, words);
    policies::set_namm_folder([] { return root_folder() / "data" / "checkpoints"; });
    for (const auto& file : options.all("plugin")) policies::load_plugin(file);
    if (const auto data = options.find("data")) {
      setenv("LETHE_DATA", std::filesystem::absolute(*data).c_str(), 1);
    }
    return command.run(options);
  } catch (Error& error) {
    if (error.kind() == ErrorKind::kUsage) {
      throw Error(ErrorKind::kUsage,
                  name + ": " + error.what() + " (see `lethe " + name + " --help`)");
    }
    throw;
  }
}

/// True when standard output is a pipe whose reader went away.
bool reader_is_gone() {
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

/// A reader that went away (`lethe … | head`) is no error of ours; a full disk is.
int close_output(const std::string& program, int code) {
  std::cout.flush();
  if (std::cout || reader_is_gone()) return code;
  std::cerr << program << ": error: cannot write all of the output: disk full?\n";
  return code == kExitOk ? kExitUsage : code;
}

}  // namespace

std::string help_text(const CommandSpec& spec) {
  std::ostringstream out;
  out << "lethe " << spec.name << ": " << spec.summary << "\n\nUsage: lethe " << spec.name;
  for (const auto& argument : spec.arguments) {
    const std::string name = argument.name + (argument.several ? "…" : "");
    out << ' ' << (argument.required ? name : "[" + name + "]");
  }
  if (!spec.options.empty()) out << " [options]";
  out << "\n";
  if (!spec.description.empty()) out << "\n" << spec.description << "\n";
  if (!spec.options.empty()) out << "\nOptions:\n" << describe_options(spec.options);
  if (!spec.examples.empty()) out << "\nExamples:\n";
  for (const auto& example : spec.examples) {
    out << "  # " << example.purpose << "\n  " << example.line << "\n";
  }
  return out.str();
}

int run_program(const std::string& program, const std::vector<Command>& commands, int argc,
                char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::ios::sync_with_stdio(false);
  const auto fail = [&](const std::string& message, ErrorKind kind) {
    std::cout.flush();
    std::cerr << program << ": error: " << message << std::endl;
    return exit_code_for(kind);
  };
  try {
    return close_output(program, dispatch(commands, {argv + 1, argv + argc}));
  } catch (const Error& error) {
    return fail(error.what(), error.kind());
  } catch (const std::bad_alloc&) {
    return fail("out of memory", ErrorKind::kResource);
  } catch (const std::exception& error) {
    return fail(std::string(error.what()) + " (an error nobody foresaw: a bug in Lethe)",
                ErrorKind::kInternal);
  }
}

}  // namespace lethe::cli
