// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/estimate.h"

#include <vector>

#include "harness/base/machine.h"

namespace lethe::cli {
namespace {

constexpr std::int64_t kNoBudget = 0;
// A trace holds four bytes a token and compresses little.
constexpr double kTraceBytesPerToken = 4 * 0.95;
// Measured on stored rows: what a row takes apart from trace, layers and output (indexes, page
// slack), the layers of a 30-layer model, and a cell apart from its inputs.
constexpr double kRowBytes = 1024;
constexpr double kLayersBytes = 2048;
constexpr double kCellBytes = 768;

std::string text_of(const json::value& value) {
  return std::string(value.as_string());
}

}  // namespace

CostModel::CostModel(const store::RunStore* store, int threads) {
  if (!store) return;
  const std::vector<json::value> here{json::value(cpu_name()), json::value(threads)};
  const auto rates = store->query(
      "SELECT samples.model, samples.dtype, samples.policy, coalesce(samples.budget, 0), "
      "samples.schedule, samples.positions, CAST(sum(samples.tokens_in - samples.tokens_shared) AS "
      "REAL), sum(samples.seconds) "
      "FROM samples JOIN provenance ON provenance.id = samples.provenance_id "
      "WHERE provenance.cpu = ?1 AND provenance.threads = ?2 "
      "GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(samples.seconds) > 0",
      here);
  for (const auto& row : rates.rows) {
    const Rate rate{row[6].as_double(), row[7].as_double()};
    by_policy_[{text_of(row[0]), text_of(row[1]), text_of(row[2]), row[3].as_int64(),
                text_of(row[4]), text_of(row[5])}] = rate;
    auto& total = by_model_[{text_of(row[0]), text_of(row[1]), text_of(row[5])}];
    total.first += rate.first;
    total.second += rate.second;
  }
  const auto sizes = store->query(
      "SELECT cell.length, avg(coalesce(length(sample.nll_trace), 0) + length(sample.output) + "
      "coalesce(length(sample.layers), 0)) "
      "FROM sample JOIN cell ON cell.id = sample.cell_id GROUP BY cell.length");
  for (const auto& row : sizes.rows) {
    bytes_by_length_[row[0].as_int64()] = row[1].as_double() + kRowBytes;
  }
}

std::optional<double> CostModel::seconds(const grid::Cell& cell, std::int64_t tokens) const {
  const Rate* rate = nullptr;
  const auto policy =
      by_policy_.find({cell.model, cell.dtype, cell.policy, cell.budget.value_or(kNoBudget),
                       cell.schedule, cell.positions});
  if (policy != by_policy_.end()) {
    rate = &policy->second;
  } else if (const auto model = by_model_.find({cell.model, cell.dtype, cell.positions});
             model != by_model_.end()) {
    rate = &model->second;
  }
  if (!rate || rate->first <= 0) return std::nullopt;
  return static_cast<double>(tokens) * rate->second / rate->first;
}

double CostModel::sample_bytes(const grid::Cell& cell) const {
  const auto known = bytes_by_length_.find(cell.length);
  if (known != bytes_by_length_.end()) return known->second;
  return static_cast<double>(cell.length) * kTraceBytesPerToken + kLayersBytes + kRowBytes;
}

PlanCost estimate(const CostModel& model, const runner::Plan& plan,
                  const std::vector<grid::Cell>& cells) {
  PlanCost cost;
  auto cell = cells.begin();
  for (const auto& planned : plan.jobs) {
    while (cell->key != planned.job.cell_key) ++cell;
    const auto missing = static_cast<std::int64_t>(planned.job.samples.size());
    const auto seconds = model.seconds(*cell, missing * cell->length);
    cost.seconds += seconds.value_or(0);
    if (!seconds) ++cost.cells_without_rate;
    cost.bytes += static_cast<double>(missing) * model.sample_bytes(*cell);
    if (planned.samples_cached == 0) {
      cost.bytes += static_cast<double>(cell->inputs.canonical().size()) + kCellBytes;
    }
  }
  return cost;
}

}  // namespace lethe::cli
