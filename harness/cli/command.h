// SPDX-License-Identifier: Apache-2.0
// A command of the program, and the frame that finds, explains and runs it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "harness/cli/options.h"

namespace lethe::cli {

/// A shell line that works as it stands in an empty folder, after the ones listed before it. A test
/// runs every one of them.
struct Example {
  std::string purpose;
  std::string line;
};

/// What a command is called, takes and explains.
struct CommandSpec {
  std::string name;
  std::string summary;      ///< one line
  std::string description;  ///< paragraphs for `--help`
  std::vector<ArgumentSpec> arguments;
  std::vector<OptionSpec> options;
  std::vector<Example> examples;
  bool hidden = false;  ///< not in the list of commands
};

struct Command {
  CommandSpec spec;
  /// Returns the exit code. Throws Error.
  std::function<int(const Options&)> run;
  /// Set instead of `run` for a command of the other program: gets the words unparsed.
  std::function<int(const std::vector<std::string>&)> forward;
};

/// Runs `program` ("lethe", "lethe-engine") with these commands: help, version, the command itself,
/// and the one place that turns errors into messages and exit codes.
int run_program(const std::string& program, const std::vector<Command>& commands, int argc,
                char** argv);

/// "Usage: lethe run SUITE [options]", options and examples.
std::string help_text(const CommandSpec& spec);

}  // namespace lethe::cli
