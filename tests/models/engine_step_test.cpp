// SPDX-License-Identifier: Apache-2.0
// The step path on SmolLM2-135M against the goldens: all cases in lockstep, so that one pass over
// the weights serves them all.
#include <cmath>

#include "models/engine/step.h"
#include "tests/models/smollm2_cases.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

#include <c10/core/InferenceMode.h>

namespace lethe::test {
namespace {

std::vector<models::EvaluateResult> step_all(const PolicyCases& cases, models::DType dtype,
                                             std::vector<Recorder>& recorders) {
  const c10::InferenceMode no_gradients;
  const models::Decoder decoder(*models::open_checkpoint(default_model()), dtype);
  std::vector<policies::PolicyPlan> plans;
  for (const PolicyCase& c : cases.cases)
    plans.push_back(policies::known_policies().resolve(c.policy));
  recorders.resize(plans.size());
  std::vector<models::StepLane> lanes;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    models::EvaluateOptions options;
    options.budget = cases.cases[i].budget;
    options.observer = &recorders[i];
    lanes.push_back({cases.ids, &plans[i], options});
  }
  return models::evaluate_step(decoder, lanes);
}

void check_victims(const PolicyCases& cases) {
  std::vector<Recorder> recorders;
  const auto results = step_all(cases, models::DType::kFloat64, recorders);
  REQUIRE(results.size() == 22);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const PolicyCase& expected = cases.cases[i];
    CAPTURE(expected.policy, expected.budget);
    CHECK(compare_victims(expected, recorders[i], 0.0).unexcused == "");
    CHECK(recorders[i].kept_sets == expected.kept);
    CHECK(max_difference(results[i].nll, expected.nll) < 1e-9);
  }
}

// Of the 384 tokens, as many as make every budget evict; a product for 18 rows costs most.
TEST_CASE("every policy equals its golden victims on SmolLM2: step, float64", "[golden]") {
  check_victims(first_tokens(policies_384(), 160));
}

// Minutes each: run by name (./lethe test does not); docs/benchmarks.md says when they last passed.
TEST_CASE("every policy equals all its golden victims on SmolLM2: step, float64",
          "[.slow][golden]") {
  check_victims(policies_384());
}

TEST_CASE("perplexity over 2,048 tokens equals the goldens: step, float32", "[.slow][golden]") {
  std::vector<Recorder> recorders;
  const auto results = step_all(policies_2048(), models::DType::kFloat32, recorders);
  REQUIRE(results.size() == 12);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const PolicyCase& expected = policies_2048().cases[i];
    CAPTURE(expected.policy, expected.budget);
    CHECK(std::abs(mean(results[i].nll) - expected.mean_nll) <
          (expected.policy.starts_with("window") ? 1e-5 : 3e-3));
  }
}

}  // namespace
}  // namespace lethe::test
