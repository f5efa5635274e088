// SPDX-License-Identifier: Apache-2.0
// snapkv: what the last queries before a cut look at, smoothed over neighbours, stays.
//
// SnapKV, arXiv 2404.14469, in the form of kvpress' SnapKVPress 0.5.5. At a cut, with the last
// w = `window` queries t and the cached tokens j older than all of them:
//   m_h[j]   = 1/w · sum over t of A_h[t, j]
//   p_h[j]   = pool of m_h over j − K/2 … j + K/2,   K = `kernel`, odd, stride 1
//   score[j] = mean over query heads of p_h[j].
// The softmax A goes over all keys a query sees, the window's own included, which are then left
// out. The lowest scores leave; the window's tokens always stay and count inside the budget.
// pool=avg (kvpress, and the default of the authors' code) divides by K also at the two ends, as if
// zeros stood beyond them; pool=max (the authors' other choice) ignores what is beyond. Neighbours
// are neighbours in the cache: after earlier cuts (block:m) their positions may have gaps.
// scope=head (default): mean over the query heads of each KV head (kvpress, after the authors'
// issue 22; their code chooses per query head). scope=layer: over all query heads, one set.
// Schedules: prefill-only is the published form; block:m with m ≥ w applies it again and again. A
// budget must leave at least one place beside the window. Ties go to the oldest.
#include "policies/snapkv.h"

#include <algorithm>

#include "policies/lowest.h"
#include "policies/options.h"

namespace lethe::policies {
namespace {

constexpr std::int64_t kLargestWindow = 1 << 16;
constexpr std::int64_t kLargestKernel = 1023;
const std::vector<std::string> kPools = {"avg", "max"};

struct Options {
  std::size_t window, kernel;
  bool average;
};

class SnapKv final : public EvictionPolicy {
 public:
  explicit SnapKv(const Options& options) : options_(options) {}

  void select(const CacheView& view, std::size_t budget, EvictionPlan& plan) override {
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const HeadCache& cache = view.heads[h];
      const std::size_t cached = cache.positions.size();
      if (cached <= budget) continue;
      // A layer whose own sliding window is shorter than ours keeps what it can of it.
      const std::size_t kept_window = std::min(options_.window, budget);
      score(cache.attention, cached - kept_window);
      plan.margin[h] = pick_lowest(scores_, cached - budget, plan.victims[h]);
    }
  }

 private:
  void score(const AttentionRows& attention, std::size_t tokens) {
    scores_.assign(tokens, 0.0);
    for (int head = 0; head < attention.heads(); ++head) {
      sums_.assign(tokens, 0.0);
      for (int row = 0; row < attention.rows(); ++row) {
        for (std::size_t i = 0; i < tokens; ++i) sums_[i] += attention.at(row, head, i);
      }
      add_pooled();
    }
    // All divisions at once, at the end: equal sums stay equal, and ties are ties.
    const double terms = static_cast<double>(attention.rows()) * attention.heads() *
                         (options_.average ? static_cast<double>(options_.kernel) : 1.0);
    for (double& value : scores_) value /= terms;
  }

  void add_pooled() {
    const std::size_t reach = options_.kernel / 2;
    for (std::size_t i = 0; i < scores_.size(); ++i) {
      const std::size_t first = i > reach ? i - reach : 0;
      const std::size_t end = std::min(i + reach + 1, scores_.size());
      double pooled = 0;  // weights are not negative: zero is also where the maximum starts
      for (std::size_t j = first; j < end; ++j) {
        pooled = options_.average ? pooled + sums_[j] : std::max(pooled, sums_[j]);
      }
      scores_[i] += pooled;
    }
  }

  Options options_;
  std::vector<double> sums_, scores_;
};

}  // namespace

PolicyPlan snapkv_plan(const Spec& spec) {
  PolicyPlan plan = plan_with_scope(spec, Scope::kKvHead, {"window", "kernel", "pool"});
  const std::int64_t window = spec.integer("window", 64, 1, kLargestWindow, ErrorKind::kPolicy);
  const std::int64_t kernel = spec.integer("kernel", 5, 1, kLargestKernel, ErrorKind::kPolicy);
  if (kernel % 2 == 0) {
    throw Error(ErrorKind::kPolicy, spec.name + ": option kernel=" + std::to_string(kernel) +
                                        " is even, and an even kernel has no middle; use " +
                                        std::to_string(kernel + 1));
  }
  const std::string pool = spec.choice("pool", "avg", kPools, ErrorKind::kPolicy);
  add_option(plan, "window", std::to_string(window), "64");
  add_option(plan, "kernel", std::to_string(kernel), "5");
  add_option(plan, "pool", pool, "avg");
  plan.traits.reads_attention = true;
  plan.traits.last_rows = static_cast<int>(window);
  plan.traits.least_budget = window + 1;
  const Options options{static_cast<std::size_t>(window), static_cast<std::size_t>(kernel),
                        pool == "avg"};
  plan.make = [options](const LayerContext&) { return std::make_unique<SnapKv>(options); };
  return plan;
}

const std::vector<std::string>& snapkv_option_help() {
  static const std::vector<std::string> kHelp = {
      "window=64: the newest tokens, which stay and whose queries judge the others",
      "kernel=5: neighbours over which the scores are smoothed; odd", "pool=avg|max: how",
      kScopeHelp};
  return kHelp;
}

void register_snapkv(Registry& registry) {
  registry.add({"snapkv", "what the last queries look at stays, smoothed over neighbours",
                "SnapKV 2404.14469; kvpress SnapKVPress", snapkv_option_help()},
               snapkv_plan);
}

}  // namespace lethe::policies
