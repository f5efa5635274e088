// SPDX-License-Identifier: Apache-2.0
// The options of one command line, parsed and checked.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lethe::cli {

/// One option a command takes. With an empty `value` it is a flag.
struct OptionSpec {
  std::string name;   ///< "db"
  std::string value;  ///< "FILE"; "" for a flag
  std::string help;
  bool repeats = false;  ///< may be given more than once
};

/// --plugin FILE, for every command that names policies. What it names is loaded before the command
/// runs.
OptionSpec plugin_option();

/// --data DIR: where data sets lie. Sets LETHE_DATA before a command runs, for its children too.
OptionSpec data_option();

/// A positional argument.
struct ArgumentSpec {
  std::string name;  ///< "SUITE"
  bool required = true;
  bool several = false;  ///< takes every further value; for the last argument alone
};

/// What the user gave. Every getter throws Error(kUsage) that names the option, what was expected
/// and what was found.
class Options {
 public:
  bool has(const std::string& name) const { return values_.count(name) > 0; }
  /// Throws when the option is missing.
  const std::string& text(const std::string& name) const;
  std::string text(const std::string& name, const std::string& fallback) const;
  std::optional<std::string> find(const std::string& name) const;
  /// All values of a repeated option or argument; empty when it was not given.
  std::vector<std::string> all(const std::string& name) const;
  std::int64_t integer(const std::string& name, std::int64_t fallback, std::int64_t low,
                       std::int64_t high = std::numeric_limits<std::int64_t>::max()) const;
  /// Any finite number.
  double number(const std::string& name, double fallback) const;
  /// One of `known`; the error suggests the nearest.
  std::string choice(const std::string& name, const std::string& fallback,
                     const std::vector<std::string>& known) const;

 private:
  friend Options parse_options(const std::vector<OptionSpec>& options,
                               const std::vector<ArgumentSpec>& arguments,
                               const std::vector<std::string>& words);
  std::map<std::string, std::vector<std::string>> values_;  ///< arguments by upper-case name
};

/// Parses the words that follow the command. Throws Error(kUsage): unknown options (with a
/// suggestion), missing values, options given twice, missing or surplus arguments.
Options parse_options(const std::vector<OptionSpec>& options,
                      const std::vector<ArgumentSpec>& arguments,
                      const std::vector<std::string>& words);

/// The options as an aligned list for `--help`.
std::string describe_options(const std::vector<OptionSpec>& options);

}  // namespace lethe::cli
