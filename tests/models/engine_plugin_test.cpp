// SPDX-License-Identifier: Apache-2.0
// A policy from outside in the engine: the built-in's twin, bit for bit, on every path.
#include "models/engine/generate.h"
#include "policies/plugin/plugin.h"
#include "tests/models/engine_support.h"
#include "tests/models/smollm2_cases.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

void load(const std::string& name) {
  policies::load_plugin(std::string(LETHE_TEST_PLUGINS) + "/" + name + ".so");
}

void check_equal(const Run& found, const Run& expected) {
  CHECK(found.recorder.victims == expected.recorder.victims);
  CHECK(found.recorder.kept_sets == expected.recorder.kept_sets);
  CHECK(found.result.nll == expected.result.nll);
}

TEST_CASE("TOVA as a plugin is the built-in TOVA, bit for bit", "[property]") {
  load("tova_twin");
  const auto ids = random_ids(200, 71);
  for (const std::string shape : {"llama_gqa_tied", "mistral_sw16", "gemma2"}) {
    for (const std::string options : {"", "scope=head", "sinks=2"}) {
      for (const auto path : {models::Path::kScan, models::Path::kStep}) {
        models::EvaluateOptions how;
        how.budget = 12;
        how.path = path;
        const auto& model = tiny_model(shape, models::DType::kFloat32);
        const std::string with = options.empty() ? "" : ":" + options;
        CAPTURE(shape, options, static_cast<int>(path));
        check_equal(run(model, ids, "tova-twin" + with, how), run(model, ids, "tova" + with, how));
      }
    }
  }
}

TEST_CASE("on the real model the twin's losses are the built-in's", "[golden]") {
  load("tova_twin");
  const auto model =
      models::load_model(*models::open_checkpoint(default_model()), models::DType::kFloat32);
  const std::vector<std::int64_t> ids(policies_2048().ids.begin(),
                                      policies_2048().ids.begin() + 384);
  models::EvaluateOptions how;
  how.budget = 64;
  check_equal(run(*model, ids, "tova-twin", how), run(*model, ids, "tova", how));
}

TEST_CASE("a plugin with a memory chooses alike on both paths", "[property]") {
  load("sink_tova");
  const auto ids = random_ids(120, 72);
  for (const std::string policy : {"sink-tova", "sink-tova:decay=0.9,sinks=3"}) {
    models::EvaluateOptions how;
    how.budget = 16;
    const auto& model = tiny_model("llama_gqa_tied", models::DType::kFloat64);
    const Run scan = run(model, ids, policy, how);
    how.path = models::Path::kStep;
    const Run step = run(model, ids, policy, how);
    CAPTURE(policy);
    CHECK(scan.recorder.victims == step.recorder.victims);
    CHECK(max_difference(scan.result.nll, step.result.nll) < 1e-9);
  }
}

}  // namespace
}  // namespace lethe::test
