// SPDX-License-Identifier: Apache-2.0
#include "reports/numbers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "harness/base/text.h"

namespace lethe::reports {

std::string perplexity_text(double value) {
  if (value < 1000) return fixed(value, 2);
  return value < 1e15 ? with_thousands(std::llround(value)) : scientific(value);
}

std::string perplexity_interval_text(const std::optional<Interval>& nll_interval) {
  if (!nll_interval) return "";
  return "[" + perplexity_text(std::exp(nll_interval->low)) + ", " +
         perplexity_text(std::exp(nll_interval->high)) + "]";
}

std::string percent(double share) {
  return fixed(100 * share, 1) + " %";
}

std::string percent_interval(const Estimate& estimate) {
  const auto ends = interval(estimate);
  if (!ends) return "";
  return "[" + fixed(100 * std::max(0.0, ends->low), 1) + ", " +
         fixed(100 * std::min(1.0, ends->high), 1) + "]";
}

std::string signed_fixed(double value, int digits) {
  const std::string text = fixed(value, digits);
  return text.front() == '-' ? text : "+" + text;
}

std::string scientific(double value) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.1e", value);
  return text.data();
}

std::string p_text(double p) {
  return p < 0.001 ? scientific(p) : fixed(p, 3);
}

std::string counted(std::size_t count, const std::string& noun) {
  return with_thousands(static_cast<std::int64_t>(count)) + " " + noun + (count == 1 ? "" : "s");
}

std::string exact_text(double value) {
  std::array<char, 64> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

std::string describe_missing(const CellResult* cell) {
  if (!cell) return describe_no_cell();
  return describe_missing(cell->status, cell->reason, static_cast<std::size_t>(cell->stored),
                          cell->wanted, "finite NLL");
}

std::string describe_no_cell() {
  return "no such cell in the database";
}

std::string describe_missing(store::CellStatus status, const std::string& reason,
                             std::size_t samples, std::int64_t wanted, const std::string& value) {
  using store::CellStatus;
  const std::string share =
      std::to_string(samples) + " of " + std::to_string(wanted) + " samples were done";
  switch (status) {
    case CellStatus::kPending:
    case CellStatus::kRunning:
      return "not run yet (" + store::to_string(status) + ")";
    case CellStatus::kDone:
      return "done, but no sample has a " + value;
    default:
      break;
  }
  return store::to_string(status) + ": " + (reason.empty() ? "no reason was recorded" : reason) +
         " (" + share + ")";
}

}  // namespace lethe::reports
