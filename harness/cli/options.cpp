// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/options.h"

#include <boost/program_options.hpp>

#include <charconv>
#include <cmath>
#include <sstream>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/spec.h"

namespace lethe::cli {

OptionSpec plugin_option() {
  return {"plugin", "FILE", "a library with an eviction policy; may be given more than once", true};
}

OptionSpec data_option() {
  return {"data", "DIR", "folder that holds data sets (default: $LETHE_DATA, else the cache)"};
}

namespace {

namespace po = boost::program_options;

/// Under this name the library collects positional arguments; with a blank, so that no option that
/// a user types has it.
constexpr const char* kArguments = "positional arguments";

po::options_description describe(const std::vector<OptionSpec>& options) {
  po::options_description description(100, 50);
  for (const auto& option : options) {
    if (option.value.empty()) {
      description.add_options()(option.name.c_str(), option.help.c_str());
    } else {
      auto* value = po::value<std::vector<std::string>>()->value_name(option.value);
      description.add_options()(option.name.c_str(), value, option.help.c_str());
    }
  }
  return description;
}

Error unknown_option(const std::string& given, const std::vector<OptionSpec>& options) {
  std::vector<std::string> known{"--help"};
  for (const auto& option : options) known.push_back("--" + option.name);
  return unknown_name(ErrorKind::kUsage, "option", given, known);
}

void check_repeats(const po::parsed_options& parsed, const std::vector<OptionSpec>& options) {
  std::map<std::string, int> seen;
  for (const auto& option : parsed.options) {
    if (option.position_key < 0) ++seen[option.string_key];
  }
  for (const auto& option : options) {
    if (!option.repeats && seen[option.name] > 1) {
      throw Error(ErrorKind::kUsage, "--" + option.name + " is given twice; once is enough");
    }
  }
}

}  // namespace

const std::string& Options::text(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) {
    throw Error(ErrorKind::kUsage, "--" + name + " is missing; it is needed here");
  }
  return found->second.front();
}

std::string Options::text(const std::string& name, const std::string& fallback) const {
  return has(name) ? text(name) : fallback;
}

std::optional<std::string> Options::find(const std::string& name) const {
  if (!has(name)) return std::nullopt;
  return text(name);
}

std::vector<std::string> Options::all(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>{} : found->second;
}

std::int64_t Options::integer(const std::string& name, std::int64_t fallback, std::int64_t low,
                              std::int64_t high) const {
  if (!has(name)) return fallback;
  const auto value = parse_integer(text(name));
  if (!value || *value < low || *value > high) {
    std::string expected = "an integer of at least " + std::to_string(low);
    if (high != std::numeric_limits<std::int64_t>::max()) {
      expected = "an integer from " + std::to_string(low) + " to " + std::to_string(high);
    }
    throw Error(ErrorKind::kUsage,
                "--" + name + ": expected " + expected + ", found '" + text(name) + "'");
  }
  return *value;
}

double Options::number(const std::string& name, double fallback) const {
  if (!has(name)) return fallback;
  const std::string& given = text(name);
  double value = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), value);
  if (error != std::errc() || end != given.data() + given.size() || !std::isfinite(value)) {
    throw Error(ErrorKind::kUsage, "--" + name + ": expected a number, found '" + given + "'");
  }
  return value;
}

std::string Options::choice(const std::string& name, const std::string& fallback,
                            const std::vector<std::string>& known) const {
  const std::string value = text(name, fallback);
  for (const auto& allowed : known) {
    if (value == allowed) return value;
  }
  throw unknown_name(ErrorKind::kUsage, "--" + name, value, known);
}

Options parse_options(const std::vector<OptionSpec>& options,
                      const std::vector<ArgumentSpec>& arguments,
                      const std::vector<std::string>& words) {
  const auto description = describe(options);
  po::options_description with_arguments;
  with_arguments.add(description);
  po::positional_options_description positions;
  if (!arguments.empty()) {
    with_arguments.add_options()(kArguments, po::value<std::vector<std::string>>());
    positions.add(kArguments, -1);
  }
  // Guessing would make a prefix of an option mean the option, and break when a new one is added.
  const int style =
      po::command_line_style::unix_style & ~int{po::command_line_style::allow_guessing};
  Options out;
  std::vector<std::string> given;
  try {
    const auto parsed = po::command_line_parser(words)
                            .options(with_arguments)
                            .positional(positions)
                            .style(style)
                            .run();
    check_repeats(parsed, options);
    for (const auto& option : parsed.options) {
      if (option.position_key >= 0) {
        given.insert(given.end(), option.value.begin(), option.value.end());
      } else {
        auto& values = out.values_[option.string_key];
        values.insert(values.end(), option.value.begin(), option.value.end());
      }
    }
  } catch (const po::unknown_option& error) {
    throw unknown_option(error.get_option_name(), options);
  } catch (const po::too_many_positional_options_error&) {
    throw Error(ErrorKind::kUsage, "an argument is given, only options are expected");
  } catch (const po::error& error) {
    throw Error(ErrorKind::kUsage, error.what());
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (i < given.size()) {
      const auto first = given.begin() + static_cast<std::ptrdiff_t>(i);
      out.values_[arguments[i].name] = {first, arguments[i].several ? given.end() : first + 1};
    } else if (arguments[i].required) {
      throw Error(ErrorKind::kUsage, arguments[i].name + " is missing");
    }
  }
  const bool open_end = !arguments.empty() && arguments.back().several;
  if (given.size() > arguments.size() && !open_end) {
    throw Error(ErrorKind::kUsage, "'" + given[arguments.size()] + "' is one argument too many");
  }
  return out;
}

std::string describe_options(const std::vector<OptionSpec>& options) {
  std::ostringstream out;
  out << describe(options);
  return out.str();
}

}  // namespace lethe::cli
