// SPDX-License-Identifier: Apache-2.0
// The clock seam: runner and store take time from here, tests put a manual clock in its place.
#pragma once

#include <cstdint>
#include <string>

namespace lethe {

class Clock {
 public:
  virtual ~Clock() = default;
  /// Seconds from an arbitrary start; never goes back. For durations.
  virtual double steady_seconds() const = 0;
  /// Milliseconds since 1970 UTC; may jump. For records only.
  virtual std::int64_t unix_ms() const = 0;
};

/// The machine's clock.
const Clock& system_clock();

/// "2026-11-25T18:00:00Z".
std::string utc_text(std::int64_t unix_ms);

}  // namespace lethe
