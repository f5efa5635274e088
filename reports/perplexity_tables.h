// SPDX-License-Identifier: Apache-2.0
// The tables and plots of the perplexity report, each from one panel. Pure functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "reports/claims.h"
#include "reports/perplexity_data.h"
#include "reports/plot.h"
#include "reports/published.h"
#include "reports/table.h"

namespace lethe::reports {

/// Rows policies, columns budgets, as Table 3 of the TOVA paper; the published values in columns of
/// their own. A cell without a number shows a dash and says why in a footnote.
Table perplexity_table(const Panel& panel, const ClaimSet& claims, const PublishedTable& published);

/// One row per cell: mean NLL, token average and book average with their counts.
Table averages_table(const Panel& panel, const ClaimSet& claims);

/// One row per pair and budget: difference, ratio, interval, p, minimum detectable effect.
Table differences_table(std::span<const PairedDifference> rows, const ClaimSet& claims,
                        const std::string& caption);

/// One row per comparison behind a verdict.
Table checks_table(std::span<const ClaimOutcome> outcomes, const ClaimSet& claims);

/// Every cell of every panel with its settings and unrounded numbers: for CSV.
Table tidy_table(std::span<const Panel> panels);

/// Every paired difference unrounded, for CSV. `comparisons` belongs to `panels` one to one.
Table tidy_differences(std::span<const Panel> panels, std::span<const Comparisons> comparisons);

/// Perplexity against budget: measured beside published.
PlotFigure perplexity_figure(const Panel& panel, const ClaimSet& claims,
                             const PublishedTable& published, const std::string& name);

/// Perplexity over that of the full cache, paired, against budget: measured beside published.
PlotFigure cost_figure(const Panel& panel, const ClaimSet& claims, const PublishedTable& published,
                       const std::string& name);

/// The numbers of a figure in words, for those who cannot see it.
std::string describe_figure(const PlotFigure& figure);

}  // namespace lethe::reports
