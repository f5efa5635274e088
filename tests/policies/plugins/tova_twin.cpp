// SPDX-License-Identifier: Apache-2.0
// TOVA as a plugin: the built-in's twin (policies/tova.cpp).
#include "policies/plugin/lethe_policy.hpp"

using namespace lethe::sdk;

struct TovaTwin {
  static constexpr const char* name = "tova-twin";
  static constexpr const char* summary = "TOVA, from outside";
  static constexpr std::uint32_t accepts = LETHE_ACCEPTS_SINKS | LETHE_ACCEPTS_SCOPE;

  static void configure(Options&, Traits& traits) { traits.reads_attention = 1; }
  TovaTwin(const Options&, const Layer&) {}

  void select(const View& view, std::size_t budget, Plan& plan) {
    for (std::size_t h = 0; h < view.heads(); ++h) {
      const Head head = view.head(h);
      if (head.cached() <= budget) continue;
      head.mean_attention(scores_);
      plan.evict_lowest(h, scores_, head.cached() - budget);
    }
  }

 private:
  std::vector<double> scores_;
};

LETHE_POLICY_PLUGIN(TovaTwin)
