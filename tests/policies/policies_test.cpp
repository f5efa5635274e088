// SPDX-License-Identifier: Apache-2.0
// Decisions of the policies on hand-made attention: the papers' worked examples and properties.
#include <algorithm>
#include <cmath>
#include <map>

#include "harness/base/seed.h"
#include "policies/lowest.h"
#include "policies/registry.h"
#include "tests/support/catch.h"

namespace lethe::policies {
namespace {

/// A cache of one table driven by hand: rows come as position -> weight, one query head.
class HandCache {
 public:
  explicit HandCache(const std::string& spec)
      : plan_(known_policies().resolve(spec)), policy_(plan_.make({})) {}

  /// Token `step` arrives with this attention row; returns the evicted position or -1.
  std::int64_t step(std::int64_t step, const std::map<std::int64_t, float>& row,
                    std::size_t budget) {
    positions_.push_back(step);
    std::vector<float> weights;
    std::vector<std::int32_t> order;
    for (const std::int64_t position : positions_) {
      order.push_back(static_cast<std::int32_t>(weights.size()));
      weights.push_back(row.at(position));
    }
    HeadCache head;
    head.positions = positions_;
    head.attention =
        AttentionRows(weights.data(), 1, 1, weights.size(), weights.size(), weights.size(), order);
    const CacheView view{step, {&head, 1}};
    policy_->observe(view);
    if (positions_.size() <= budget) return -1;
    EvictionPlan plan;
    plan.reset(1);
    policy_->select(view, budget, plan);
    validate_plan(plan, view, budget, plan_.traits, plan_.text);
    const std::size_t victim = plan.victims[0].at(0);
    const std::int64_t gone = positions_[victim];
    policy_->applied(plan);
    positions_.erase(positions_.begin() + static_cast<std::ptrdiff_t>(victim));
    return gone;
  }

 private:
  PolicyPlan plan_;
  std::unique_ptr<EvictionPolicy> policy_;
  std::vector<std::int64_t> positions_;
};

TEST_CASE("TOVA evicts as in Figure 2 of the paper", "[unit]") {
  HandCache cache("tova");
  const std::size_t budget = 5;
  // Tokens 0 to 3 arrive before the figure starts.
  cache.step(0, {{0, 1}}, budget);
  cache.step(1, {{0, .5F}, {1, .5F}}, budget);
  cache.step(2, {{0, .4F}, {1, .3F}, {2, .3F}}, budget);
  cache.step(3, {{0, .25F}, {1, .25F}, {2, .25F}, {3, .25F}}, budget);
  CHECK(cache.step(4, {{0, .2F}, {1, .1F}, {2, .1F}, {3, .2F}, {4, .4F}}, budget) == -1);
  CHECK(cache.step(5, {{0, .2F}, {1, .05F}, {2, .1F}, {3, .1F}, {4, .2F}, {5, .35F}}, budget) == 1);
  CHECK(cache.step(6, {{0, .15F}, {2, .15F}, {3, .1F}, {4, .05F}, {5, .25F}, {6, .3F}}, budget) ==
        4);
  CHECK(cache.step(7, {{0, .15F}, {2, .15F}, {3, .1F}, {5, .15F}, {6, .2F}, {7, .25F}}, budget) ==
        3);
  CHECK(cache.step(8, {{0, .2F}, {2, .15F}, {5, .15F}, {6, .1F}, {7, .15F}, {8, .25F}}, budget) ==
        6);
}

TEST_CASE("TOVA may evict the newest token, and ties go to the oldest", "[unit]") {
  HandCache newest("tova");
  newest.step(0, {{0, 1}}, 2);
  newest.step(1, {{0, .5F}, {1, .5F}}, 2);
  CHECK(newest.step(2, {{0, .6F}, {1, .3F}, {2, .1F}}, 2) == 2);
  HandCache ties("tova");
  ties.step(0, {{0, 1}}, 2);
  ties.step(1, {{0, .5F}, {1, .5F}}, 2);
  CHECK(ties.step(2, {{0, .4F}, {1, .3F}, {2, .3F}}, 2) == 1);
}

TEST_CASE("H2O keeps heavy hitters outside a recent half", "[unit]") {
  HandCache cache("h2o");
  const std::size_t budget = 4;  // two heavy, two recent
  cache.step(0, {{0, 1}}, budget);
  cache.step(1, {{0, .9F}, {1, .1F}}, budget);
  cache.step(2, {{0, .1F}, {1, .1F}, {2, .8F}}, budget);
  cache.step(3, {{0, .1F}, {1, .1F}, {2, .7F}, {3, .1F}}, budget);
  // Sums before the newest row: 0: 2.1, 1: 0.3, 2: 1.5. Token 3 has 0.1 but is recent.
  CHECK(cache.step(4, {{0, .2F}, {1, .2F}, {2, .2F}, {3, .2F}, {4, .2F}}, budget) == 1);
  // Token 3 is now the lightest of the old ones although the newest row favours it over 0.
  CHECK(cache.step(5, {{0, .1F}, {2, .1F}, {3, .2F}, {4, .3F}, {5, .3F}}, budget) == 3);
}

TEST_CASE("random draws every token equally often and depends on the seed only", "[property]") {
  const auto plan = known_policies().resolve("random");
  const std::vector<std::int64_t> positions = {0, 1, 2, 3, 4};
  HeadCache head;
  head.positions = positions;
  const CacheView view{4, {&head, 1}};
  LayerContext context;
  context.seed = 7;
  const auto one = plan.make(context), two = plan.make(context);
  std::map<std::size_t, int> counts;
  for (int i = 0; i < 5000; ++i) {
    EvictionPlan a, b;
    a.reset(1);
    b.reset(1);
    one->select(view, 4, a);
    two->select(view, 4, b);
    REQUIRE(a.victims == b.victims);
    ++counts[a.victims[0].at(0)];
  }
  for (std::size_t i = 0; i < 5; ++i) {  // 1000 expected, standard deviation 28
    CHECK(std::abs(counts[i] - 1000) < 5 * 28);
  }
}

TEST_CASE("a lying plan is refused with what is wrong", "[fault]") {
  const std::vector<std::int64_t> positions = {3, 5, 9};
  HeadCache head;
  head.positions = positions;
  const CacheView view{9, {&head, 1}};
  const PolicyTraits traits;
  const auto message = [&](std::vector<std::vector<std::size_t>> victims) {
    EvictionPlan plan;
    plan.victims = std::move(victims);
    try {
      validate_plan(plan, view, 2, traits, "liar");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kPolicy);
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message({{1}}).empty());
  CHECK(message({}).find("expected 1 victim lists, found 0") != std::string::npos);
  CHECK(message({{3}}).find("outside the 3 cached tokens") != std::string::npos);
  CHECK(message({{1, 1}}).find("not strictly ascending") != std::string::npos);
  CHECK(message({{}}).find("expected 1 victims") != std::string::npos);
  CHECK(message({{0, 1}}).find("found 2") != std::string::npos);
}

TEST_CASE("pick_lowest agrees with sorting, and reports the margin", "[property]") {
  RandomStream random(5);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> scores(1 + random.below(30));
    for (auto& score : scores) score = static_cast<double>(random.below(8));  // many ties
    const std::size_t count = 1 + random.below(scores.size());
    std::vector<std::pair<double, std::size_t>> sorted;
    for (std::size_t i = 0; i < scores.size(); ++i) sorted.emplace_back(scores[i], i);
    std::sort(sorted.begin(), sorted.end());
    std::vector<std::size_t> expected, actual;
    for (std::size_t i = 0; i < count; ++i) expected.push_back(sorted[i].second);
    std::sort(expected.begin(), expected.end());
    const double margin = pick_lowest(scores, count, actual);
    CHECK(actual == expected);
    if (count < scores.size()) {
      CHECK(margin == sorted[count].first - sorted[count - 1].first);
    } else {
      CHECK(std::isnan(margin));
    }
  }
}

}  // namespace
}  // namespace lethe::policies
