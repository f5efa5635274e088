// SPDX-License-Identifier: Apache-2.0
// p-values adjusted for the number of tests in a table.
#pragma once

#include <span>
#include <vector>

namespace lethe::reports {

/// Holm's step-down adjustment (family-wise error), in the order of the input, capped at 1.
std::vector<double> holm(std::span<const double> p);

/// Benjamini-Hochberg adjustment (false discovery rate), in the order of the input, capped at 1.
std::vector<double> benjamini_hochberg(std::span<const double> p);

}  // namespace lethe::reports
