// SPDX-License-Identifier: Apache-2.0
// The attention rows between two cuts that a policy with an observation window looks at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/base/state_file.h"
#include "policies/policy.h"

namespace lethe::models {

/// Rows of one table, in order of time. Between two cuts tokens are only added (or lost at the
/// front, in a sliding-window model), so rows are kept by view index and shorter rows end earlier.
class RowHistory {
 public:
  /// Takes in the newest row of a view.
  void push(const policies::AttentionRows& attention);
  /// The `count` oldest tokens left the view.
  void drop_front(std::size_t count);
  void clear();
  std::size_t rows() const { return rows_.size(); }

  /// All rows as one view over the tokens of the newest. Valid until the next call.
  policies::AttentionRows view();

  void save(StateWriter& out, const std::string& prefix) const;
  void load(const StateReader& in, const std::string& prefix);

 private:
  std::vector<std::vector<double>> rows_;  ///< [rows][query heads * cached of its time]
  std::size_t heads_ = 0;
  std::vector<double> packed_;
  std::vector<std::int32_t> identity_;
};

}  // namespace lethe::models
