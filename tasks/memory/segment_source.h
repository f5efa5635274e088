// SPDX-License-Identifier: Apache-2.0
// A long text with a question at its end, one segment at a time, as a model with recurrent memory
// reads it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lethe::tasks {

/// One sample. Its segments can be asked for in any order and any number of times, and none of them
/// is held.
class SegmentSource {
 public:
  virtual ~SegmentSource() = default;
  virtual std::int64_t segments() const = 0;
  virtual std::int64_t segment_tokens() const = 0;
  /// Index of the right class.
  virtual std::int64_t answer() const = 0;
  /// Segment in which each fact begins.
  virtual std::vector<std::int64_t> fact_segments() const = 0;
  /// Fills `out` (segment_tokens() of them) with the tokens of segment `index`.
  virtual void fill(std::int64_t index, std::span<std::int64_t> out) const = 0;
};

}  // namespace lethe::tasks
