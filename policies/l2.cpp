// SPDX-License-Identifier: Apache-2.0
// l2: the token with the largest key norm leaves.
//
// "A Simple and Effective L2 Norm-Based Strategy for KV Cache Compression", arXiv 2406.11430:
// keys of low norm are the ones that get high attention, so
//   score[j] = −‖k_j‖₂,   victim = argmin_j score[j];
// no attention is read and no history kept. scope=head (default, as kvpress' KnormPress): every KV
// head by its own keys; scope=layer: mean of the norms over the KV heads, one victim. Query heads
// play no part. The newest token is a candidate; sinks=i exempts the first i. The authors' example
// spares layers 0 and 1 (skip_layers); here all layers are cut.
//
// Ties: norms within a relative 1e-5 of the largest count as tied and the oldest of the tied goes.
// Equal tokens have equal keys in layer 0 up to rounding, and rounding must not choose. Several
// victims at a cut: the rule again and again, the largest of what is left setting the threshold.
// Margin: the smallest distance of a candidate, the largest aside, from the tie threshold
// (absolute, over all rounds of the cut): a norm that moves by less stays on its side. NaN where
// there is no other candidate.
#include "policies/l2.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <queue>

#include "policies/options.h"

namespace lethe::policies {
namespace {

constexpr double kTie = 1 - 1e-5;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double or_nan(double margin) {
  return margin == kInfinity ? std::numeric_limits<double>::quiet_NaN() : margin;
}

class L2 final : public EvictionPolicy {
 public:
  void select(const CacheView& view, std::size_t budget, EvictionPlan& plan) override {
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const auto norms = view.heads[h].key_norms;
      if (norms.size() <= budget) continue;
      plan.margin[h] = norms.size() == budget + 1
                           ? pick_one(norms, plan.victims[h])
                           : pick_several(norms, norms.size() - budget, plan.victims[h]);
    }
  }

 private:
  static double pick_one(std::span<const double> norms, std::vector<std::size_t>& victims) {
    const auto largest = std::max_element(norms.begin(), norms.end());
    const double threshold = *largest * kTie;
    const auto oldest =
        std::find_if(norms.begin(), largest, [&](double norm) { return norm >= threshold; });
    victims.push_back(static_cast<std::size_t>(oldest - norms.begin()));
    double margin = kInfinity;
    for (auto norm = norms.begin(); norm != norms.end(); ++norm) {
      if (norm != largest) margin = std::min(margin, std::abs(*norm - threshold));
    }
    return or_nan(margin);
  }

  // The threshold only falls, so a token that has come within it stays there until it leaves:
  // descending norms are walked once, and the tied wait in a heap for their turn by age.
  double pick_several(std::span<const double> norms, std::size_t count,
                      std::vector<std::size_t>& victims) {
    order_.resize(norms.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
      return norms[a] != norms[b] ? norms[a] > norms[b] : a < b;
    });
    gone_.assign(norms.size(), 0);
    above_.clear();
    double margin = kInfinity;
    std::size_t largest = 0, below = 0;  // in order_: the largest left, the first one not tied
    for (std::size_t round = 0; round < count; ++round) {
      while (gone_[order_[largest]]) ++largest;
      const double threshold = norms[order_[largest]] * kTie;
      for (; below < order_.size() && norms[order_[below]] >= threshold; ++below) {
        oldest_.push(order_[below]);
        above_.push_back(order_[below]);
      }
      while (gone_[above_.back()]) above_.pop_back();
      if (above_.back() != order_[largest]) {
        margin = std::min(margin, norms[above_.back()] - threshold);
      }
      if (below < order_.size()) margin = std::min(margin, threshold - norms[order_[below]]);
      gone_[oldest_.top()] = 1;
      victims.push_back(oldest_.top());
      oldest_.pop();
    }
    oldest_ = {};
    std::sort(victims.begin(), victims.end());
    return or_nan(margin);
  }

  std::vector<std::size_t> order_;
  std::vector<char> gone_;
  std::vector<std::size_t> above_;  // tied ones by falling norm: the last is nearest the threshold
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> oldest_;
};

}  // namespace

void register_l2(Registry& registry) {
  registry.add({"l2",
                "the token with the largest key norm leaves",
                "L2 norm 2406.11430; kvpress KnormPress",
                {kScopeHelp, kSinksHelp}},
               [](const Spec& spec) {
                 PolicyPlan plan = plan_with_common_options(spec, Scope::kKvHead);
                 plan.traits.reads_key_norms = true;
                 plan.traits.last_rows = 1;
                 plan.make = [](const LayerContext&) { return std::make_unique<L2>(); };
                 return plan;
               });
  registry.add_alias("l2-head", "l2");
  registry.add_alias("l2-layer", "l2:scope=layer");
}

}  // namespace lethe::policies
