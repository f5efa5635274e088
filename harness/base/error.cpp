// SPDX-License-Identifier: Apache-2.0
#include "harness/base/error.h"

#include <utility>

namespace lethe {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return "usage";
    case ErrorKind::kConfig:
      return "config";
    case ErrorKind::kData:
      return "data";
    case ErrorKind::kModel:
      return "model";
    case ErrorKind::kPolicy:
      return "policy";
    case ErrorKind::kPlugin:
      return "plugin";
    case ErrorKind::kStore:
      return "store";
    case ErrorKind::kResource:
      return "resource";
    case ErrorKind::kTimeout:
      return "timeout";
    case ErrorKind::kCrash:
      return "crash";
    case ErrorKind::kInternal:
      return "internal";
    case ErrorKind::kInterrupted:
      return "interrupted";
  }
  return "internal";
}

int exit_code_for(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInterrupted:
      return kExitInterrupted;
    case ErrorKind::kResource:
    case ErrorKind::kTimeout:
    case ErrorKind::kCrash:
    case ErrorKind::kInternal:
      return kExitSomeCellsFailed;
    default:
      return kExitUsage;
  }
}

Error::Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}

Error& Error::add_context(std::string_view context) {
  message_.insert(0, std::string(context) + ": ");
  return *this;
}

namespace detail {
void fail_assert(const char* condition, std::string_view message, const char* file, int line) {
  throw Error(ErrorKind::kInternal, std::string(message) + " (" + condition + " at " + file + ":" +
                                        std::to_string(line) + "; this is a bug in Lethe)");
}
}  // namespace detail

}  // namespace lethe
