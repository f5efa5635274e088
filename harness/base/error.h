// SPDX-License-Identifier: Apache-2.0
// The one exception type of Lethe, its kinds, and the exit codes of the program.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace lethe {

/// What went wrong. The numbers are stored in databases: append only, never renumber.
enum class ErrorKind : int {
  kUsage = 1,         ///< a command line that cannot be understood
  kConfig = 2,        ///< a suite, axis, name or option value that is wrong
  kData = 3,          ///< a data file that is missing, damaged or not what it claims to be
  kModel = 4,         ///< a checkpoint that is missing, damaged or unsupported
  kPolicy = 5,        ///< a policy specification, or a plan a policy returned, that is invalid
  kPlugin = 6,        ///< a policy plugin that cannot be loaded
  kStore = 7,         ///< the result database: locked, read-only, newer, damaged, disk full
  kResource = 8,      ///< out of memory or another exhausted resource
  kTimeout = 9,       ///< a time limit was reached
  kCrash = 10,        ///< a worker process died
  kInternal = 11,     ///< a broken invariant: a bug in Lethe
  kInterrupted = 12,  ///< the user pressed Ctrl-C
};

/// Kebab-free lower-case name of a kind ("config", "store", …).
std::string_view to_string(ErrorKind kind);

/// Exit codes of the program.
inline constexpr int kExitOk = 0;
inline constexpr int kExitSomeCellsFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitOutsideTolerance = 3;
inline constexpr int kExitInterrupted = 130;

/// Exit code of a command that ends with an error of this kind.
int exit_code_for(ErrorKind kind);

/// An error with a kind and a message that says what was expected, what was found, where, and
/// what to do. Layers add context while it unwinds; the text reads from the outside in.
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message);
  ErrorKind kind() const { return kind_; }
  const char* what() const noexcept override { return message_.c_str(); }
  /// Prefixes "context: " to the message.
  Error& add_context(std::string_view context);

 private:
  ErrorKind kind_;
  std::string message_;
};

/// Throws Error(kInternal) when `condition` is false. In every build: an abort would lose a grid
/// run.
#define LETHE_ASSERT(condition, message)                                                       \
  do {                                                                                         \
    if (!(condition)) ::lethe::detail::fail_assert(#condition, (message), __FILE__, __LINE__); \
  } while (false)

namespace detail {
[[noreturn]] void fail_assert(const char* condition, std::string_view message, const char* file,
                              int line);
}  // namespace detail

}  // namespace lethe
