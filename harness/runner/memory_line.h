// SPDX-License-Identifier: Apache-2.0
// Which cells need at least the memory of another. Internal to this room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "harness/base/json.h"

namespace lethe::runner {

/// Cells of one line differ in budget, length and what follows from the length.
struct MemoryLine {
  std::string line;                    ///< canonical JSON of everything else
  std::optional<std::int64_t> budget;  ///< none: the cache grows with the length
  std::int64_t length = 0;

  /// Same line, and budget and length not below those of `other`.
  bool at_least(const MemoryLine& other) const;
};

/// From a cell's inputs (layout: harness/grid/suite.h, Cell).
MemoryLine memory_line(const json::object& inputs);

}  // namespace lethe::runner
