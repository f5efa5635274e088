// SPDX-License-Identifier: Apache-2.0
// Perplexity from sums of negative log-likelihoods. Pure functions on numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace lethe::tasks {

/// NLL of a group of tokens: sum in nats and number of predicted tokens.
struct NllSum {
  double nats = 0;
  std::int64_t tokens = 0;

  NllSum& operator+=(const NllSum& other);
};

/// Sum over a trace, with compensated (Kahan-Neumaier) summation: the total of a long text does not
/// depend on the order in which its windows were added by more than the last bit.
NllSum sum_nll(std::span<const double> nll);

/// Sum over the tokens [first, first + count) of a trace: perplexity of a sub-window.
/// Throws Error(kData) when the range is empty or leaves the trace.
NllSum sum_nll(std::span<const double> nll, std::size_t first, std::size_t count);

/// exp(nats / tokens). Throws Error(kData) for a group without tokens.
double perplexity(const NllSum& group);

/// Token average: exp(sum of nats over all groups / sum of tokens): a long book weighs more.
double token_average_perplexity(std::span<const NllSum> groups);

/// Book average: mean of the groups' own perplexities, every book weighing the same.
/// Throws Error(kData) when there is no group, or one without tokens.
double book_average_perplexity(std::span<const NllSum> groups);

}  // namespace lethe::tasks
