// SPDX-License-Identifier: Apache-2.0
// pyramidkv: snapkv, with more places in the low layers and fewer in the high ones.
//
// PyramidKV, arXiv 2406.02069, in the form of kvpress' PyramidKVPress 0.5.5 (beta = 20). Of a
// budget of k tokens a layer on average, layer l of L keeps
//   round(high − l · (high − low) / (L − 1)),   low = k / beta,   high = 2k − low,
// so the layers together keep L·k up to rounding; who stays is snapkv's choice. Where low would be
// no more than the window, every layer keeps k, much as kvpress does: with the defaults that is
// up to 1,280 tokens. Deviation: kvpress lowers `high` to the prompt less the window where it is
// more, and gives the difference to the high layers; here a layer that is given more than its
// prompt keeps all of it, and the layers together keep less than L·k. Options, heads and ties as
// snapkv.
#include "policies/pyramidkv.h"

#include <cmath>

#include "policies/options.h"
#include "policies/snapkv.h"

namespace lethe::policies {
namespace {

constexpr std::int64_t kLargestBeta = 1 << 20;

std::int64_t layer_budget(const LayerContext& context, std::int64_t budget, std::int64_t beta,
                          std::int64_t window) {
  const double mean = static_cast<double>(budget);
  const double low = mean / static_cast<double>(beta), high = 2 * mean - low;
  // snapkv keeps its window and at least one token more.
  if (low < static_cast<double>(window + 1) || context.n_layers < 2) return budget;
  const double step = (high - low) / (context.n_layers - 1);
  return static_cast<std::int64_t>(std::nearbyint(high - context.layer * step));
}

}  // namespace

void register_pyramidkv(Registry& registry) {
  std::vector<std::string> help = snapkv_option_help();
  help.push_back("beta=20: the highest layer keeps 1/beta of the mean");
  registry.add(
      {"pyramidkv", "snapkv with larger budgets in lower layers",
       "PyramidKV 2406.02069; kvpress PyramidKVPress", help},
      [](const Spec& spec) {
        const std::int64_t beta = spec.integer("beta", 20, 1, kLargestBeta, ErrorKind::kPolicy);
        Spec rest{spec.name, {}};
        for (const auto& option : spec.options) {
          if (option.first != "beta") rest.options.push_back(option);
        }
        PolicyPlan plan = snapkv_plan(rest);
        add_option(plan, "beta", std::to_string(beta), "20");
        const std::int64_t window = plan.traits.last_rows;
        plan.layer_budget = [beta, window](const LayerContext& context, std::int64_t budget) {
          return layer_budget(context, budget, beta, window);
        };
        return plan;
      });
}

}  // namespace lethe::policies
