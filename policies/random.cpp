// SPDX-License-Identifier: Apache-2.0
// random: a uniformly random cached token leaves, the newest included. The chance line of every
// comparison. Each layer draws from its own stream derived from the cell's seed; with scope=head
// every KV head draws for itself.
#include "policies/random.h"

#include <algorithm>
#include <limits>

#include "harness/base/seed.h"
#include "harness/base/state_file.h"
#include "policies/options.h"

namespace lethe::policies {
namespace {

class Random final : public EvictionPolicy {
 public:
  explicit Random(std::uint64_t seed) : stream_(seed) {}

  void select(const CacheView& view, std::size_t budget, EvictionPlan& plan) override {
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const std::size_t cached = view.heads[h].positions.size();
      auto& victims = plan.victims[h];
      // Floyd's sampling: `surplus` distinct indices, each set equally likely.
      for (std::size_t upper = budget; upper < cached; ++upper) {
        const auto drawn = static_cast<std::size_t>(stream_.below(upper + 1));
        const bool taken = std::find(victims.begin(), victims.end(), drawn) != victims.end();
        victims.push_back(taken ? upper : drawn);
      }
      std::sort(victims.begin(), victims.end());
      plan.margin[h] = std::numeric_limits<double>::quiet_NaN();  // chance has no margin
    }
  }

  void save(StateWriter& out, const std::string& prefix) const override {
    out.put_value(prefix + "stream", stream_.position());
  }

  void load(const StateReader& in, const std::string& prefix) override {
    stream_ = RandomStream(in.get_value<std::uint64_t>(prefix + "stream"));
  }

 private:
  RandomStream stream_;
};

}  // namespace

void register_random(Registry& registry) {
  registry.add(
      {"random", "a uniformly random token leaves", "chance line", {kScopeHelp, kSinksHelp}},
      [](const Spec& spec) {
        PolicyPlan plan = plan_with_common_options(spec, Scope::kLayer);
        plan.make = [](const LayerContext& context) {
          const auto seed =
              derive_seed(context.seed, "policy/random/layer/" + std::to_string(context.layer));
          return std::make_unique<Random>(seed);
        };
        return plan;
      });
}

}  // namespace lethe::policies
