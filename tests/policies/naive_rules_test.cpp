// SPDX-License-Identifier: Apache-2.0
// Every policy against its rule written down once more, as plainly as possible and in float64.
#include <algorithm>
#include <cmath>

#include "tests/policies/simulated_layer.h"
#include "tests/support/catch.h"

namespace lethe::policies {
namespace {

using Positions = std::vector<std::int64_t>;

/// Again and again the first of the lowest: who leaves so that `budget` of `live` stay.
Positions lowest_first(const Positions& live, std::size_t budget,
                       const std::function<double(std::int64_t)>& score) {
  Positions left = live, victims;
  while (left.size() > budget) {
    std::size_t lowest = 0;
    for (std::size_t i = 1; i < left.size(); ++i) {
      if (score(left[i]) < score(left[lowest])) lowest = i;
    }
    victims.push_back(left[lowest]);
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(lowest));
  }
  return victims;
}

/// Attention that `key` got from the queries first … last, summed over the heads.
double attention(const SimulatedLayer& layer, const HeadRange& heads, std::int64_t first,
                 std::int64_t last, std::int64_t key) {
  double sum = 0;
  for (std::int64_t query = std::max(first, key); query <= last; ++query) {
    for (int head = heads.first; head < heads.first + heads.heads; ++head) {
      sum += layer.weight(query, head, key);
    }
  }
  return sum;
}

Positions naive_window(const SimulatedLayer&, const HeadRange&, const Positions& live, std::int64_t,
                       std::size_t budget) {
  return {live.begin(), live.end() - static_cast<std::ptrdiff_t>(budget)};
}

Positions naive_truncate(const SimulatedLayer&, const HeadRange&, const Positions& live,
                         std::int64_t step, std::size_t budget) {
  return live.size() == budget && (step + 1) % static_cast<std::int64_t>(budget) == 0 ? live
                                                                                      : Positions{};
}

Positions naive_tova(const SimulatedLayer& layer, const HeadRange& heads, const Positions& live,
                     std::int64_t step, std::size_t budget) {
  return lowest_first(live, budget,
                      [&](std::int64_t key) { return attention(layer, heads, step, step, key); });
}

Positions naive_tova_keeping(const SimulatedLayer& layer, const HeadRange& heads,
                             const Positions& live, std::int64_t step, std::size_t budget) {
  return lowest_first(live, budget, [&](std::int64_t key) {
    return key == step ? 1e9 : attention(layer, heads, step, step, key);
  });
}

Positions naive_h2o(const SimulatedLayer& layer, const HeadRange& heads, const Positions& live,
                    std::int64_t step, std::size_t budget) {
  const std::size_t recent = budget - budget / 2;
  const std::int64_t first_recent = live[live.size() - recent];
  return lowest_first(live, budget, [&](std::int64_t key) {
    return key >= first_recent ? 1e9 : attention(layer, heads, key, step, key);
  });
}

Positions naive_observed(const SimulatedLayer& layer, const HeadRange& heads, const Positions& live,
                         std::int64_t step, std::size_t budget) {
  return lowest_first(live, budget, [&](std::int64_t key) {
    return attention(layer, heads, key, step, key) / static_cast<double>(step - key + 1);
  });
}

Positions naive_h2o_oracle(const SimulatedLayer& layer, const HeadRange& heads,
                           const Positions& live, std::int64_t step, std::size_t budget) {
  const auto sum = [&](std::int64_t key) {
    return attention(layer, heads, 0, layer.tokens - 1, key);
  };
  Positions victims;
  for (const std::int64_t key : live) {
    if (key > step - static_cast<std::int64_t>(budget - budget / 2)) continue;
    std::size_t heavier = 0;  // of all tokens of the text, with ties to the newer
    for (std::int64_t other = 0; other < layer.tokens; ++other) {
      if (sum(other) > sum(key) || (sum(other) == sum(key) && other > key)) ++heavier;
    }
    if (heavier >= budget / 2) victims.push_back(key);
  }
  return victims;
}

Positions naive_l2(const SimulatedLayer& layer, const HeadRange& heads, const Positions& live,
                   std::int64_t, std::size_t budget) {
  const auto norm = [&](std::int64_t key) {
    double sum = 0;
    for (int h = 0; h < heads.kv_heads; ++h) sum += layer.norm(heads.first_kv + h, key);
    return sum / heads.kv_heads;
  };
  Positions left = live, victims;
  while (left.size() > budget) {
    double largest = 0;
    for (const std::int64_t key : left) largest = std::max(largest, norm(key));
    const auto oldest = std::find_if(left.begin(), left.end(), [&](std::int64_t key) {
      return norm(key) >= largest * (1 - 1e-5);
    });
    victims.push_back(*oldest);
    left.erase(oldest);
  }
  return victims;
}

/// Means, pooling over the cached neighbours, and the mean over heads, one after the other as
/// kvpress does; divisions last, so that ties are ties.
template <std::int64_t kWindow, int kKernel, bool kMax>
Positions naive_snapkv(const SimulatedLayer& layer, const HeadRange& heads, const Positions& live,
                       std::int64_t step, std::size_t budget) {
  Positions old;
  for (const std::int64_t key : live) {
    if (key <= step - kWindow) old.push_back(key);
  }
  std::vector<double> score(old.size(), 0.0);
  for (int head = heads.first; head < heads.first + heads.heads; ++head) {
    for (int i = 0; i < std::ssize(old); ++i) {
      double pooled = 0;
      for (int j = i - kKernel / 2; j <= i + kKernel / 2; ++j) {
        if (j < 0 || j >= std::ssize(old)) continue;
        double sum = 0;
        for (std::int64_t query = step - kWindow + 1; query <= step; ++query) {
          sum += layer.weight(query, head, old[static_cast<std::size_t>(j)]);
        }
        pooled = kMax ? std::max(pooled, sum) : pooled + sum;
      }
      score[static_cast<std::size_t>(i)] += pooled;
    }
  }
  return lowest_first(live, budget, [&](std::int64_t key) {
    const auto at = std::find(old.begin(), old.end(), key);
    return at == old.end() ? 1e9 : score[static_cast<std::size_t>(at - old.begin())];
  });
}

struct Case {
  std::string spec;
  NaiveRule rule;
};

TEST_CASE("every policy takes whom its naive rule takes", "[property]") {
  const auto [spec, rule] =
      GENERATE(values<Case>({{"window", naive_window},
                             {"window:sinks=2", naive_window},
                             {"truncate", naive_truncate},
                             {"tova", naive_tova},
                             {"tova:scope=head,sinks=2", naive_tova},
                             {"tova:keep_current=true", naive_tova_keeping},
                             {"tova:keep_current=true,scope=head,sinks=1", naive_tova_keeping},
                             {"h2o", naive_h2o},
                             {"h2o:scope=layer", naive_h2o},
                             {"h2o-oracle", naive_h2o_oracle},
                             {"h2o-oracle:scope=layer", naive_h2o_oracle},
                             {"observed", naive_observed},
                             {"observed:scope=layer", naive_observed},
                             {"l2", naive_l2},
                             {"l2:scope=layer,sinks=2", naive_l2},
                             {"snapkv:window=4", naive_snapkv<4, 5, false>},
                             {"snapkv:kernel=3,pool=max,window=2", naive_snapkv<2, 3, true>},
                             {"snapkv:kernel=7,scope=layer,window=1", naive_snapkv<1, 7, false>},
                             {"snapkv:kernel=1,window=3", naive_snapkv<3, 1, false>}}));
  const PolicyPlan plan = known_policies().resolve(spec);
  REQUIRE(plan.text == spec);
  RandomStream random(derive_seed(21, spec));
  std::size_t departures = 0;
  for (int round = 0; round < 100; ++round) {
    const auto tokens = static_cast<std::int64_t>(12 + random.below(24));
    // Coarse numbers give ties; heads in powers of two keep their means exact. Others have none.
    const bool coarse = round % 2 == 0;
    const int powers[] = {1, 2, 4};
    const int kv_heads = coarse ? powers[random.below(3)] : 1 + static_cast<int>(random.below(3));
    const int group = coarse ? powers[random.below(3)] : 1 + static_cast<int>(random.below(3));
    const SimulatedLayer layer = random_layer(random, tokens, kv_heads, group, coarse);
    Walk how = random_walk(random, plan, tokens);
    how.single = how.single && coarse;  // rows the rule sees exactly
    CAPTURE(spec, round, how.budget, how.schedule.text(), how.schedule.block, how.schedule.prompt);
    const Log naive = walk_naively(plan.traits, rule, layer, how);
    REQUIRE(walk(plan, layer, how).departures == naive.departures);
    departures += naive.departures.size();
  }
  CHECK(departures > 100);
}

TEST_CASE("l2 counts norms within a hundred-thousandth as tied, round after round", "[property]") {
  RandomStream random(22);
  const PolicyPlan plan = known_policies().resolve("l2");
  for (int round = 0; round < 200; ++round) {
    const auto tokens = static_cast<std::int64_t>(5 + random.below(40));
    SimulatedLayer layer = random_layer(random, tokens, 1, 1, true);
    // Ladders of steps below and above the tie: who is tied changes as the largest leave.
    for (double& norm : layer.norms) norm = 1 + static_cast<double>(random.below(30)) * 0.4e-5;
    const Walk how = random_walk(random, plan, tokens);
    CAPTURE(round, tokens, how.budget, how.schedule.text(), how.schedule.block);
    const Log log = walk(plan, layer, how);
    REQUIRE(log.departures == walk_naively(plan.traits, naive_l2, layer, how).departures);
  }
}

}  // namespace
}  // namespace lethe::policies
