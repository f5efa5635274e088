// SPDX-License-Identifier: Apache-2.0
#include "reports/namm_data.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/statistics/multiple_testing.h"

namespace lethe::reports {
namespace {

/// Equal differences of rounded numbers leave a spread of their last bits, which is none.
constexpr double kRounding = 1e-12;

Estimate estimate_of(const std::vector<NammValue>& values) {
  std::vector<double> numbers, weights;
  std::vector<std::string> clusters;
  for (const NammValue& value : values) {
    numbers.push_back(value.value);
    weights.push_back(value.weight);
    clusters.push_back(value.cluster);
  }
  Estimate estimate = clustered_mean(numbers, weights, clusters);
  if (estimate.standard_error &&
      *estimate.standard_error <= kRounding * std::max(1.0, std::abs(estimate.mean))) {
    estimate.standard_error = 0;
  }
  return estimate;
}

std::vector<NammValue> values_of(const NammPanel& panel, const NammRow& row) {
  std::vector<NammValue> values;
  for (const NammSample& sample : row.samples) {
    if (panel.text && sample.nll && sample.tokens > 0) {
      const auto tokens = static_cast<double>(sample.tokens);
      values.push_back({sample.id, sample.hash, sample.cluster, *sample.nll / tokens, tokens});
    } else if (!panel.text && sample.score) {
      values.push_back({sample.id, sample.hash, sample.cluster, 100 * *sample.score, 1});
    }
  }
  return values;
}

std::optional<store::CacheSize> cache_of(const NammRow& row) {
  store::CacheSize sum;
  double count = 0;
  for (const NammSample& sample : row.samples) {
    if (!sample.cache) continue;
    sum.mean += sample.cache->mean;
    sum.peak += sample.cache->peak;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return store::CacheSize{sum.mean / count, sum.peak / count};
}

/// Samples of two lists with equal id and content; a value of `of` becomes the first's.
template <typename Of>
std::vector<NammValue> paired(const std::vector<NammValue>& a, const std::vector<NammValue>& b,
                              Of of) {
  std::map<std::string_view, const NammValue*> by_id;
  for (const NammValue& value : b) by_id.emplace(value.id, &value);
  std::vector<NammValue> pairs;
  for (const NammValue& value : a) {
    const auto at = by_id.find(value.id);
    if (at == by_id.end() || at->second->hash != value.hash) continue;
    pairs.push_back(value);
    pairs.back().value = of(value.value, at->second->value);
  }
  return pairs;
}

bool complete(const NammPanel& panel, const NammMethod& method, std::size_t pairs) {
  return std::all_of(method.rows.begin(), method.rows.end(), [&](std::size_t index) {
    const NammRow& row = panel.rows[index];
    return !row.failed() && static_cast<std::int64_t>(pairs) >= row.wanted;
  });
}

/// Smaller is nearer.
std::tuple<bool, double> distance(const MemoryRatio& memory) {
  return {!memory.equal(),
          memory.mean && *memory.mean > 0 ? std::abs(std::log(*memory.mean)) : HUGE_VAL};
}

}  // namespace

bool NammRow::failed() const {
  using store::CellStatus;
  return status == CellStatus::kFailed || status == CellStatus::kOom ||
         status == CellStatus::kTimeout || status == CellStatus::kCrashed ||
         status == CellStatus::kSkipped;
}

std::optional<std::size_t> NammPanel::full() const {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < methods.size(); ++i) {
    if (!methods[i].full()) continue;
    if (measure(*this, methods[i])) return i;
    if (!found) found = i;
  }
  return found;
}

const NammTraining* NammResults::training(const std::string& content) const {
  const auto at = std::find_if(trainings.begin(), trainings.end(), [&](const NammTraining& run) {
    return !content.empty() && run.checkpoint == content;
  });
  return at == trainings.end() ? nullptr : &*at;
}

std::optional<bool> NammResults::trained_on(const NammPanel& panel,
                                            const NammMethod& method) const {
  bool any = false;
  for (const std::size_t row : method.rows) {
    const NammTraining* run = training(panel.rows[row].content);
    if (!run) return std::nullopt;
    any = any || run->lengths.contains(panel.settings.task);
  }
  return any;
}

std::optional<NammMeasured> measure(const NammPanel& panel, const NammRow& row) {
  NammMeasured measured;
  if (!row.failed()) measured.values = values_of(panel, row);
  if (measured.values.empty()) return std::nullopt;
  measured.estimate = estimate_of(measured.values);
  measured.cache = cache_of(row);
  measured.runs = 1;
  measured.least = measured.most = measured.estimate.mean;
  return measured;
}

std::optional<NammMeasured> measure(const NammPanel& panel, const NammMethod& method) {
  std::optional<NammMeasured> all;
  std::size_t with_cache = 0;
  for (const std::size_t index : method.rows) {
    const auto one = measure(panel, panel.rows[index]);
    if (!one) continue;
    with_cache += one->cache.has_value();
    if (!all) {
      all = one;
      continue;
    }
    // Sums over runs until all are there.
    all->values = paired(all->values, one->values, [](double a, double b) { return a + b; });
    if (all->cache && one->cache) {
      all->cache->mean += one->cache->mean;
      all->cache->peak += one->cache->peak;
    }
    all->least = std::min(all->least, one->estimate.mean);
    all->most = std::max(all->most, one->estimate.mean);
    ++all->runs;
  }
  if (!all || all->runs == 1) return all;
  const auto runs = static_cast<double>(all->runs);
  for (NammValue& value : all->values) value.value /= runs;
  if (with_cache < all->runs) {
    all->cache.reset();
  } else {
    all->cache->mean /= runs;
    all->cache->peak /= runs;
  }
  if (all->values.empty()) return std::nullopt;
  all->estimate = estimate_of(all->values);
  return all;
}

bool MemoryRatio::equal_mean() const {
  return mean && std::abs(*mean - 1) <= within;
}

bool MemoryRatio::equal_peak() const {
  return peak && std::abs(*peak - 1) <= within;
}

std::string MemoryRatio::text() const {
  if (!mean || !peak) return "not known";
  // Equal in one of the two says little unless the other stands beside it.
  if (equal_mean() && equal_peak()) return "equal mean and peak";
  if (equal_mean()) return "equal mean (peak ×" + fixed(*peak, 2) + ")";
  if (equal_peak()) return "equal peak (mean ×" + fixed(*mean, 2) + ")";
  return (*mean < 1 ? "less (mean ×" : "more (mean ×") + fixed(*mean, 2) + ")";
}

MemoryRatio memory_ratio(const std::optional<store::CacheSize>& namm,
                         const std::optional<store::CacheSize>& other, double within) {
  MemoryRatio ratio{.mean = {}, .peak = {}, .within = within};
  if (!namm || !other || namm->mean <= 0 || namm->peak <= 0) return ratio;
  ratio.mean = other->mean / namm->mean;
  ratio.peak = other->peak / namm->peak;
  return ratio;
}

std::vector<NammComparison> compare_methods(const NammPanel& panel, double equal_within) {
  std::vector<NammComparison> comparisons;
  for (std::size_t a = 0; a < panel.methods.size(); ++a) {
    const auto own = panel.methods[a].namm() ? measure(panel, panel.methods[a]) : std::nullopt;
    if (!own) continue;
    for (std::size_t b = 0; b < panel.methods.size(); ++b) {
      const auto other = panel.methods[b].namm() ? std::nullopt : measure(panel, panel.methods[b]);
      if (!other) continue;
      // Of a text the smaller NLL is better.
      const double sign = panel.text ? -1 : 1;
      const auto pairs =
          paired(own->values, other->values, [&](double x, double y) { return sign * (x - y); });
      if (pairs.empty()) continue;
      NammComparison comparison{
          .namm = a, .other = b, .gain = estimate_of(pairs), .test = {}, .memory = {}};
      std::vector<double> weighted;
      std::vector<std::string> clusters;
      for (const NammValue& pair : pairs) {
        weighted.push_back(pair.weight * pair.value);
        clusters.push_back(pair.cluster);
      }
      comparison.test = sign_flip_test(cluster_sums(weighted, clusters));
      comparison.partial = !complete(panel, panel.methods[a], pairs.size()) ||
                           !complete(panel, panel.methods[b], pairs.size());
      comparison.memory = memory_ratio(own->cache, other->cache, equal_within);
      comparisons.push_back(comparison);
    }
  }
  std::vector<double> p;
  for (const NammComparison& comparison : comparisons) p.push_back(comparison.test.p_two_sided);
  const std::vector<double> adjusted = holm(p);
  for (std::size_t i = 0; i < adjusted.size(); ++i) comparisons[i].p_holm = adjusted[i];
  return comparisons;
}

const NammComparison* nearest(const std::vector<NammComparison>& comparisons, std::size_t other) {
  const NammComparison* found = nullptr;
  for (const NammComparison& comparison : comparisons) {
    if (comparison.other != other) continue;
    if (!found || distance(comparison.memory) < distance(found->memory)) found = &comparison;
  }
  return found;
}

Normalised normalised(const NammPanel& panel, const std::optional<NammMeasured>& own,
                      double least_base) {
  Normalised result;
  const auto index = panel.full();
  const auto full = index ? measure(panel, panel.methods[*index]) : std::nullopt;
  if (!full) {
    result.missing = index ? "the full cache has no number" : "no full-cache cell";
    return result;
  }
  if (!own) {
    result.missing = "no number";
    return result;
  }
  const auto mine = paired(own->values, full->values, [](double a, double) { return a; });
  if (mine.empty()) {
    result.missing = "no sample shared with the full cache";
    return result;
  }
  const auto base = paired(own->values, full->values, [](double, double b) { return b; });
  const double top = estimate_of(mine).mean;
  const double bottom = estimate_of(base).mean;
  if (panel.text) {
    result.value = std::exp(bottom - top);
  } else if (bottom < least_base) {
    result.missing = "base below " + exact_text(least_base) + " points";
  } else {
    result.value = top / bottom;
  }
  return result;
}

}  // namespace lethe::reports
