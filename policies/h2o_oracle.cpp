// SPDX-License-Identifier: Apache-2.0
// h2o-oracle: H2O's heavy hitters chosen with knowledge of the whole text. NOT a policy that a
// model could run: it is told, before the first token, what later queries will look at.
//
// "Global statistics" of the authors' lm-eval path for LLaMA (arXiv 2306.14048; h2o_hf/
// utils_lm_eval/modify_llama.py; states of the repository differ in whether this or the row-by-row
// form is in use): one dense pass over the text of T tokens gives
//   sum[j] = sum over all queries t of A_h[t, j]   (mean over query heads, see below),
// once, later queries included; of a budget k, the floor(k/2) largest sums are heavy for every
// query, and beside them a query sees the k − floor(k/2) newest tokens and itself. In terms of
// leaving: a token leaves when it drops out of the recent ones and is not heavy. A heavy token
// takes a heavy place also while it is recent or yet to come, so fewer than k may be live; only a
// budget of 2T − 1 keeps everything for certain. Accuracies made that way are an oracle's; `h2o` is
// the online form. There is one choice for the whole text, so it is defined after every token only.
//
// scope=head (default): per KV head, mean over its query heads (the authors' file, written for one
// query head per key, chooses per query head); scope=layer: mean over all query heads.
// Budgets: the authors give ratios of T, here tokens. Ties in the sums: the newest is heavy, so
// that as everywhere the oldest leaves. No margin: nothing is compared when a token leaves.
#include "policies/h2o_oracle.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "harness/base/state_file.h"
#include "policies/options.h"

namespace lethe::policies {
namespace {

class H2oOracle final : public EvictionPolicy {
 public:
  void preview(std::span<const std::vector<double>> sums) override {
    ranks_.assign(sums.size(), {});
    std::vector<std::uint32_t> order;
    for (std::size_t h = 0; h < sums.size(); ++h) {
      const auto& sum = sums[h];
      order.resize(sum.size());
      std::iota(order.begin(), order.end(), 0U);
      std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        return sum[a] != sum[b] ? sum[a] > sum[b] : a > b;
      });
      ranks_[h].resize(order.size());
      for (std::uint32_t rank = 0; rank < order.size(); ++rank) ranks_[h][order[rank]] = rank;
    }
  }

  void select(const CacheView& view, std::size_t budget, EvictionPlan& plan) override {
    LETHE_ASSERT(ranks_.size() == view.heads.size(), "h2o-oracle was not shown the text");
    const std::size_t heavy = budget / 2;
    const auto recent = static_cast<std::int64_t>(budget - heavy);
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const auto& positions = view.heads[h].positions;
      const auto& ranks = ranks_[h];
      for (std::size_t i = 0; i < positions.size() && positions[i] <= view.step - recent; ++i) {
        LETHE_ASSERT(static_cast<std::size_t>(positions[i]) < ranks.size(),
                     "h2o-oracle was shown a shorter text");
        if (ranks[static_cast<std::size_t>(positions[i])] >= heavy) plan.victims[h].push_back(i);
      }
      plan.margin[h] = std::numeric_limits<double>::quiet_NaN();
    }
  }

  void save(StateWriter& out, const std::string& prefix) const override {
    for (std::size_t h = 0; h < ranks_.size(); ++h) out.put(prefix + std::to_string(h), ranks_[h]);
  }

  void load(const StateReader& in, const std::string& prefix) override {
    ranks_.clear();
    for (std::size_t h = 0; in.has(prefix + std::to_string(h)); ++h) {
      ranks_.push_back(in.get<std::uint32_t>(prefix + std::to_string(h)));
    }
  }

 private:
  std::vector<std::vector<std::uint32_t>> ranks_;  // [heads][tokens of the text]; 0 is heaviest
};

}  // namespace

void register_h2o_oracle(Registry& registry) {
  registry.add(
      {"h2o-oracle",
       "H2O with heavy hitters chosen by the whole text, later queries included: no memory "
       "a model could have",
       "H2O 2306.14048, the authors' lm-eval path for LLaMA",
       {kScopeHelp}},
      [](const Spec& spec) {
        PolicyPlan plan = plan_with_scope(spec, Scope::kKvHead);
        plan.traits.reads_whole_text = true;
        plan.traits.exact_only = true;
        plan.traits.fixed_size = false;
        plan.make = [](const LayerContext&) { return std::make_unique<H2oOracle>(); };
        return plan;
      });
}

}  // namespace lethe::policies
