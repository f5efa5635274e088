// SPDX-License-Identifier: Apache-2.0
// h2o: heavy hitters and a recent window; the lightest old token leaves.
//
// H2O, arXiv 2306.14048, as TOVA runs it (arXiv 2401.06104, §5.1, footnote 7, App. A): of a budget
// k, k − floor(k/2) places go to the newest tokens and floor(k/2) to the older tokens with the
// highest attention accumulated over all steps since they were appended,
//   acc[j] += mean over query heads of A_h[t, j]   at every step t, the current one included.
// The victim is the argmin of acc outside the recent window. This is the *online* form: a token is
// judged by queries it has met, never by later ones. scope=head (default, both papers): sums per KV
// head over its query heads; scope=layer: over all query heads, one victim. Ties go to the oldest.
#include "policies/h2o.h"

#include "harness/base/state_file.h"
#include "policies/lowest.h"
#include "policies/options.h"

namespace lethe::policies {
namespace {

class H2o final : public EvictionPolicy {
 public:
  void observe(const CacheView& view) override {
    accumulated_.resize(view.heads.size());
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const HeadCache& cache = view.heads[h];
      auto& sums = accumulated_[h];
      sums.resize(cache.positions.size(), 0.0);  // new tokens come last and start at zero
      row_.resize(sums.size());
      for (int row = 0; row < cache.attention.rows(); ++row) {
        cache.attention.mean_over_heads(row, row_);
        for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += row_[i];
      }
    }
  }

  void select(const CacheView& view, std::size_t budget, EvictionPlan& plan) override {
    const std::size_t recent = budget - budget / 2;
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const auto& sums = accumulated_[h];
      if (sums.size() <= budget) continue;
      const std::span<const double> old_tokens(sums.data(), sums.size() - recent);
      plan.margin[h] = pick_lowest(old_tokens, sums.size() - budget, plan.victims[h]);
    }
  }

  void applied(const EvictionPlan& plan) override {
    for (std::size_t h = 0; h < plan.victims.size(); ++h) {
      auto& sums = accumulated_[h];
      // Victims are ascending: removing from the back keeps the earlier indices valid.
      for (auto it = plan.victims[h].rbegin(); it != plan.victims[h].rend(); ++it) {
        sums.erase(sums.begin() + static_cast<std::ptrdiff_t>(*it));
      }
    }
  }

  void save(StateWriter& out, const std::string& prefix) const override {
    for (std::size_t h = 0; h < accumulated_.size(); ++h) {
      out.put(prefix + std::to_string(h), accumulated_[h]);
    }
  }

  void load(const StateReader& in, const std::string& prefix) override {
    accumulated_.clear();
    for (std::size_t h = 0; in.has(prefix + std::to_string(h)); ++h) {
      accumulated_.push_back(in.get<double>(prefix + std::to_string(h)));
    }
  }

 private:
  std::vector<std::vector<double>> accumulated_;  // [heads][cached]
  std::vector<double> row_;
};

}  // namespace

void register_h2o(Registry& registry) {
  registry.add({"h2o",
                "heavy hitters by accumulated attention, and a recent half",
                "H2O 2306.14048; TOVA §5.1, App. A (online form)",
                {kScopeHelp}},
               [](const Spec& spec) {
                 PolicyPlan plan = plan_with_scope(spec, Scope::kKvHead);
                 plan.traits.reads_attention = true;
                 plan.make = [](const LayerContext&) { return std::make_unique<H2o>(); };
                 return plan;
               });
  registry.add_alias("h2o-head", "h2o");
  registry.add_alias("h2o-layer", "h2o:scope=layer");
}

}  // namespace lethe::policies
