// SPDX-License-Identifier: Apache-2.0
// Figure 3 of arXiv 2304.11062 computed again: operations of full attention and of RMT, and the
// published points beside them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "models/rmt/flops.h"
#include "reports/plot.h"
#include "reports/published.h"
#include "reports/table.h"

namespace lethe::cli {

/// How near a published figure and the formula are.
enum class Agreement {
  kDigits,   ///< equal in every digit that is printed
  kDrawing,  ///< within what the drawing resolves, where that is less than three decimals
  kMissed,
};

/// One published figure and the formula's.
struct FlopsPoint {
  std::string model;  ///< "any" on the RMT line, which is the same for all
  std::int64_t length = 0;
  double published = 0;
  double computed = 0;
  int digits = 3;  ///< decimals that are printed or that the drawing resolves
  Agreement agreement = Agreement::kMissed;
};

/// Everything that Figure 3, its caption and its text say.
struct FlopsCheck {
  std::string source;                  ///< paper and place
  std::vector<FlopsPoint> full;        ///< F(L) / F(512) of full attention
  std::vector<FlopsPoint> line;        ///< L / 512, the RMT line
  std::vector<FlopsPoint> reductions;  ///< full attention over RMT, as printed in the text

  std::vector<FlopsPoint> missed() const;
  /// The point of full attention at this place, a missed one first; nullptr where the figure has
  /// none.
  const FlopsPoint* find(const std::string& model, std::int64_t length) const;
};

/// Throws Error(kData) when the table names a model that is no size of OPT, or a value without
/// length.
FlopsCheck check_figure_3(const reports::PublishedTable& table);

/// A line for people: how many figures are met, then those that are not.
std::string summary_of(const FlopsCheck& check);

/// What is to be computed.
struct FlopsPlan {
  std::vector<models::FlopsShape> shapes;
  std::vector<std::int64_t> lengths;
  models::RmtSegment segment;  ///< of the columns that count memory tokens
};

enum class NumberStyle {
  kShort,  ///< for people: the digits that the paper prints
  kExact,  ///< for programs: every digit, columns named as the members of the JSON
};

/// One row per shape and length: full attention, the published point, RMT as in the figure, RMT
/// with its memory tokens.
reports::Table flops_table(const FlopsPlan& plan, const FlopsCheck& check, NumberStyle style);

/// Numbers of the table and the outcome of the check, without rounding.
json::object flops_json(const FlopsPlan& plan, const FlopsCheck& check);

/// Pictures like Figure 3: short lengths on the left, long ones on the right, both axes
/// logarithmic. As many as it takes for five models in each.
std::vector<reports::PlotFigure> flops_figures(const FlopsPlan& plan);

}  // namespace lethe::cli
