// SPDX-License-Identifier: Apache-2.0
// The JSON lines of `lethe trace`, read back.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/base/json.h"
#include "tasks/metrics/retention.h"

namespace lethe::cli {

/// What a trace says about its tokens.
struct Trace {
  json::object header;
  std::vector<std::int64_t> ids;
  std::vector<std::optional<double>> nll;  ///< of the token that follows each
  /// By layer and KV head; head -1 where a policy decides for the layer.
  std::map<std::pair<int, int>, tasks::TokenLives> places;

  std::optional<std::int64_t> budget() const;
};

/// Throws Error(kData) that names `where`, line and member for what is no trace, and for one that
/// ends before its summary.
Trace read_trace(std::istream& lines, const std::string& where);

}  // namespace lethe::cli
