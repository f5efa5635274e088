// SPDX-License-Identifier: Apache-2.0
#include "reports/perplexity_data.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "harness/base/error.h"
#include "reports/statistics/multiple_testing.h"
#include "reports/statistics/power.h"

namespace lethe::reports {
namespace {

std::vector<std::string> clusters_of(const std::vector<SampleValue>& samples) {
  std::vector<std::string> clusters;
  clusters.reserve(samples.size());
  for (const SampleValue& sample : samples) clusters.push_back(sample.cluster);
  return clusters;
}

/// Perplexity of every book, in order of first appearance.
std::vector<double> book_perplexities(const std::vector<SampleValue>& samples) {
  std::vector<double> nll;
  std::vector<double> tokens;
  for (const SampleValue& sample : samples) {
    nll.push_back(sample.nll);
    tokens.push_back(static_cast<double>(sample.tokens));
  }
  const auto clusters = clusters_of(samples);
  std::vector<double> books = cluster_sums(nll, clusters);
  const std::vector<double> book_tokens = cluster_sums(tokens, clusters);
  for (std::size_t i = 0; i < books.size(); ++i) books[i] = std::exp(books[i] / book_tokens[i]);
  return books;
}

std::vector<std::string> numbered(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

}  // namespace

std::int64_t CellResult::tokens() const {
  std::int64_t sum = 0;
  for (const SampleValue& sample : samples) sum += sample.tokens;
  return sum;
}

bool CellResult::usable() const {
  using store::CellStatus;
  const bool failed = status == CellStatus::kFailed || status == CellStatus::kOom ||
                      status == CellStatus::kTimeout || status == CellStatus::kCrashed ||
                      status == CellStatus::kSkipped;
  return !failed && !samples.empty();
}

const CellResult* Panel::find(std::string_view policy, std::optional<std::int64_t> budget) const {
  const auto at = std::find_if(cells.begin(), cells.end(), [&](const CellResult& cell) {
    return cell.policy == policy && cell.budget == budget;
  });
  return at == cells.end() ? nullptr : &*at;
}

std::vector<std::int64_t> Panel::budgets() const {
  std::set<std::int64_t> found;
  for (const CellResult& cell : cells) {
    if (cell.budget) found.insert(*cell.budget);
  }
  return {found.begin(), found.end()};
}

PerplexityEstimate estimate_perplexity(const CellResult& cell) {
  LETHE_ASSERT(!cell.samples.empty(), "a cell without samples has no perplexity");
  std::vector<double> values;
  std::vector<double> weights;
  for (const SampleValue& sample : cell.samples) {
    values.push_back(sample.mean_nll());
    weights.push_back(static_cast<double>(sample.tokens));
  }
  PerplexityEstimate result;
  result.nll = clustered_mean(values, weights, clusters_of(cell.samples));
  result.nll_interval = interval(result.nll);
  result.tokens = cell.tokens();
  result.perplexity = std::exp(result.nll.mean);
  const std::vector<double> books = book_perplexities(cell.samples);
  const Estimate over_books = clustered_mean(books, numbered(books.size()));
  result.book_perplexity = over_books.mean;
  result.book_interval = interval(over_books);
  return result;
}

PairedSamples pair_samples(const CellResult& a, const CellResult& b) {
  std::map<std::string_view, const SampleValue*> by_id;
  for (const SampleValue& sample : b.samples) by_id.emplace(sample.id, &sample);
  PairedSamples pairs;
  for (const SampleValue& sample : a.samples) {
    const auto at = by_id.find(sample.id);
    if (at == by_id.end() || at->second->hash != sample.hash ||
        at->second->tokens != sample.tokens) {
      continue;
    }
    const double tokens = static_cast<double>(sample.tokens);
    pairs.difference.push_back((sample.nll - at->second->nll) / tokens);
    pairs.weight.push_back(tokens);
    pairs.cluster.push_back(sample.cluster);
  }
  return pairs;
}

std::optional<PairedDifference> compare_cells(const CellResult& a, const CellResult& b,
                                              std::int64_t budget) {
  const PairedSamples pairs = pair_samples(a, b);
  if (pairs.difference.empty()) return std::nullopt;
  PairedDifference result;
  result.a = a.policy;
  result.b = b.policy;
  result.budget = budget;
  result.delta = clustered_mean(pairs.difference, pairs.weight, pairs.cluster);
  result.delta_interval = interval(result.delta);
  result.ratio = std::exp(result.delta.mean);
  std::vector<double> sums(pairs.difference.size());
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = pairs.difference[i] * pairs.weight[i];
  result.test = sign_flip_test(cluster_sums(sums, pairs.cluster));
  result.p_holm = result.test.p_two_sided;
  if (const auto error = result.delta.standard_error; error && *error > 0) {
    result.detectable =
        result.delta.clusters < kManyClusters
            ? detectable_effect_t(*error, static_cast<double>(result.delta.clusters - 1))
            : detectable_effect_normal(*error);
  }
  const auto wanted = static_cast<std::size_t>(std::max(a.wanted, b.wanted));
  result.partial = pairs.difference.size() < wanted;
  return result;
}

void adjust_for_multiplicity(std::vector<PairedDifference>& rows) {
  std::vector<double> p;
  for (const PairedDifference& row : rows) p.push_back(row.test.p_two_sided);
  const std::vector<double> adjusted = holm(p);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].p_holm = adjusted[i];
}

}  // namespace lethe::reports
