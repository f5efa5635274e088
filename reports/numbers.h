// SPDX-License-Identifier: Apache-2.0
// How a report writes numbers, intervals and missing values.
#pragma once

#include <optional>
#include <string>

#include "reports/perplexity_data.h"
#include "reports/statistics/clustered.h"

namespace lethe::reports {

/// "30.94", from 1,000 on "4,812".
std::string perplexity_text(double value);
/// "[28.13, 34.02]" of perplexities, given the interval of the mean NLL; "" for none.
std::string perplexity_interval_text(const std::optional<Interval>& nll_interval);
/// "75.0 %".
std::string percent(double share);
/// "[73.1, 76.9]" of shares, in percent, cut at 0 and 100; "" for none.
std::string percent_interval(const Estimate& estimate);
/// "+0.0123", "-0.0045".
std::string signed_fixed(double value, int digits);
/// "1.2e-06".
std::string scientific(double value);
/// "0.031"; below 0.001 in scientific form.
std::string p_text(double p);
/// "6 books", "1 book".
std::string counted(std::size_t count, const std::string& noun);
/// Shortest text that reads back as the same double: for CSV.
std::string exact_text(double value);

/// Why a cell shows no number: "failed: out of memory", "not run yet (pending)", …; a null pointer
/// is a cell the database does not have.
std::string describe_missing(const CellResult* cell);
/// Of a cell that the database does not have.
std::string describe_no_cell();
/// Of one whose samples, of which `wanted` should be there, have no `value`.
std::string describe_missing(store::CellStatus status, const std::string& reason,
                             std::size_t samples, std::int64_t wanted, const std::string& value);

}  // namespace lethe::reports
