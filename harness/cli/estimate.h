// SPDX-License-Identifier: Apache-2.0
// What a run will cost, judged by what earlier runs cost on this machine.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "harness/grid/cell.h"
#include "harness/runner/planner.h"
#include "harness/store/run_store.h"

namespace lethe::cli {

/// Cost of the missing samples of a plan.
struct PlanCost {
  double seconds = 0;  ///< of the cells with a known rate, on one worker
  std::int64_t cells_without_rate = 0;
  double bytes = 0;  ///< by which the database will grow
};

/// Rates and sizes from the rows of a database.
class CostModel {
 public:
  /// Reads the rows that this CPU made with `threads` threads a worker, and the sizes of all rows.
  /// A null `store` knows nothing. Throws Error(kStore).
  CostModel(const store::RunStore* store, int threads);

  /// Seconds of work on one worker for `tokens` tokens of the cell: at the rate of rows with its
  /// model, dtype, policy, budget, schedule and positions, else at that of its model, dtype and
  /// positions; nothing where there are none.
  std::optional<double> seconds(const grid::Cell& cell, std::int64_t tokens) const;

  /// Bytes of one stored sample of the cell: the mean of stored samples of its length, else judged
  /// by the length.
  double sample_bytes(const grid::Cell& cell) const;

 private:
  /// Tokens and the seconds they took.
  using Rate = std::pair<double, double>;
  using Text = std::string;
  std::map<std::tuple<Text, Text, Text>, Rate> by_model_;
  std::map<std::tuple<Text, Text, Text, std::int64_t, Text, Text>, Rate> by_policy_;
  std::map<std::int64_t, double> bytes_by_length_;
};

/// Cost of what `plan` says is missing. `cells` are those it was made from, in the same order.
PlanCost estimate(const CostModel& model, const runner::Plan& plan,
                  const std::vector<grid::Cell>& cells);

}  // namespace lethe::cli
