// SPDX-License-Identifier: Apache-2.0
// Properties of the engine on the tiny model: what must not change the numbers does not.
#include <cmath>

#include "harness/base/seed.h"
#include "models/checkpoint/safetensors.h"
#include "tests/models/engine_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;
using models::Path;

TEST_CASE("scan and step choose the same victims: random texts, shapes, policies, schedules",
          "[property]") {
  RandomStream random(11);
  for (const std::string& policy : every_policy()) {
    if (policies::known_policies().resolve(policy).traits.reads_whole_text) continue;
    for (int round = 0; round < 8; ++round) {
      const std::string shape = kShapes[random.below(kShapes.size())];
      const auto ids = random_ids(6 + static_cast<std::int64_t>(random.below(90)), random.next());
      const auto& model = tiny_model(shape, DType::kFloat64);
      auto options = random_options(random, policy, static_cast<std::int64_t>(ids.size()));
      const Run scan = run(model, ids, policy, options);
      options.path = Path::kStep;
      const Run step = run(model, ids, policy, options);
      CAPTURE(shape, round, policy, options.schedule.text(), options.schedule.prompt, ids.size(),
              *options.budget, options.block_rows, options.chunk_tokens);
      check_same(step, scan, 1e-10);
    }
  }
}

TEST_CASE("blocks and chunks of the scan change no victim", "[property]") {
  RandomStream random(12);
  for (const std::string& policy : every_policy()) {
    const auto ids = random_ids(130, random.next());
    models::EvaluateOptions options;
    options.budget = 8 + static_cast<std::int64_t>(random.below(30));
    options.schedule = random_schedule(random, policy, 130);
    const Run whole = run(ids, policy, DType::kFloat64, options);
    for (int round = 0; round < 3; ++round) {
      options.block_rows = 1 + static_cast<std::int64_t>(random.below(70));
      options.chunk_tokens = 1 + static_cast<std::int64_t>(random.below(140));
      const Run parts = run(ids, policy, DType::kFloat64, options);
      CAPTURE(policy, options.schedule.text(), options.block_rows, options.chunk_tokens);
      CHECK(parts.recorder.victims == whole.recorder.victims);
      CHECK(parts.recorder.kept_sets == whole.recorder.kept_sets);
      CHECK(max_difference(parts.result.nll, whole.result.nll) < 1e-10);
    }
  }
}

TEST_CASE("a budget of at least the length is the full cache, for every policy", "[property]") {
  const auto ids = random_ids(80, 3);
  const std::string policy = GENERATE(from_range(every_policy()));
  const auto plan = policies::known_policies().resolve(policy);
  // Half of the oracle's budget is for the heavy tokens, wherever they are; a pyramid's high layers
  // keep a twentieth; a network drops what it thinks little of.
  if (plan.traits.reads_whole_text || plan.layer_budget || plan.traits.update_interval > 1) return;
  RandomStream random(13);
  for (const DType dtype : {DType::kFloat64, DType::kFloat32}) {
    const auto full = run(ids, "full", dtype, {});
    for (const std::int64_t budget : {81, 500}) {
      models::EvaluateOptions options;
      options.budget = budget;
      options.schedule = random_schedule(random, policy, 80);
      const auto capped = run(ids, policy, dtype, options);
      CAPTURE(policy, budget);
      CHECK(std::abs(mean(capped.result.nll) - mean(full.result.nll)) <
            (dtype == DType::kFloat64 ? 1e-10 : 1e-5));
      CHECK(capped.recorder.victims.empty());
      CHECK(capped.result.layers.front().evicted == 0);
    }
  }
}

TEST_CASE("the same seed gives the same run, another seed another", "[property]") {
  const auto ids = random_ids(60, 5);
  models::EvaluateOptions options;
  options.budget = 10;
  options.seed = 1;
  const auto one = run(ids, "random", DType::kFloat32, options),
             again = run(ids, "random", DType::kFloat32, options);
  options.seed = 2;
  const auto other = run(ids, "random", DType::kFloat32, options);
  CHECK(one.result.nll == again.result.nll);
  CHECK(one.recorder.victims == again.recorder.victims);
  CHECK(one.recorder.victims != other.recorder.victims);
}

TEST_CASE("a shared prefix changes no bit", "[property]") {
  const auto ids = random_ids(400, 6);
  const std::string policy = GENERATE(from_range(every_policy()));
  models::PrefixCache prefixes(1 << 26);
  RandomStream random(14);
  models::EvaluateOptions shared;
  shared.prefixes = &prefixes;
  run(ids, "full", DType::kFloat32, shared);
  for (const std::int64_t budget : {70, 128, 333}) {
    models::EvaluateOptions alone;
    alone.budget = shared.budget = budget;
    alone.schedule = shared.schedule = random_schedule(random, policy, 400);
    const auto a = run(ids, policy, DType::kFloat32, alone),
               b = run(ids, policy, DType::kFloat32, shared);
    CAPTURE(policy, budget);
    CHECK(a.result.nll == b.result.nll);
    CHECK(a.recorder.victims == b.recorder.victims);
    CHECK(a.recorder.kept_sets == b.recorder.kept_sets);
    CHECK(a.recorder.nll == b.recorder.nll);
    CHECK(a.result.peak_kv_bytes == b.result.peak_kv_bytes);
    CHECK(a.result.layers.back().mean_lifetime == b.result.layers.back().mean_lifetime);
    if (shared.schedule.kind == policies::Schedule::Kind::kExact &&
        policies::known_policies().resolve(policy).traits.fixed_size) {
      CHECK(b.result.shared_tokens == budget / 64 * 64);
    }
  }
}

TEST_CASE("what one policy leaves for others is what the full model sees", "[property]") {
  const auto ids = random_ids(300, 24);
  const std::string policy = GENERATE(from_range(every_policy()));
  models::PrefixCache prefixes(1 << 26);
  models::EvaluateOptions first, shared, alone;
  first.prefixes = shared.prefixes = &prefixes;
  first.budget = 120;  // a pyramid's highest layer keeps 6 of them
  first.schedule.kind = policies::Schedule::Kind::kBlock;
  first.schedule.block = 64;
  const auto traits = policies::known_policies().resolve(policy).traits;
  if (traits.exact_only) first.schedule = {};
  if (traits.update_interval > 1) first.schedule.block = traits.update_interval;
  run(ids, policy, DType::kFloat32, first);
  shared.budget = alone.budget = 250;
  const auto a = run(ids, "tova", DType::kFloat32, alone),
             b = run(ids, "tova", DType::kFloat32, shared);
  CAPTURE(policy, b.result.shared_tokens);
  CHECK(a.result.nll == b.result.nll);
  CHECK(a.recorder.victims == b.recorder.victims);
}

TEST_CASE("an evaluation that was stopped goes on bit for bit", "[property]") {
  const auto ids = random_ids(150, 8);
  const std::string policy = GENERATE(from_range(every_policy()));
  // The oracle takes the text in one piece: there is nothing to go on from.
  if (policies::known_policies().resolve(policy).traits.reads_whole_text) return;
  RandomStream random(15);
  for (const DType dtype : {DType::kFloat64, DType::kFloat32, DType::kBFloat16}) {
    models::EvaluateOptions options;
    options.budget = 24;
    options.chunk_tokens = 32;
    options.schedule = random_schedule(random, policy, 150);
    const Run whole = run(ids, policy, dtype, options);
    for (int stop_after = 1; stop_after <= 4; ++stop_after) {
      CAPTURE(policy, to_string(dtype), stop_after);
      StateInMemory memory;
      options.keeper = &memory;
      options.should_stop = [&] { return memory.saves == stop_after; };
      CHECK_THROWS_AS(run(ids, policy, dtype, options), Error);
      options.should_stop = nullptr;
      std::int64_t first_progress = 0;
      options.progress = [&](std::int64_t tokens) {
        if (first_progress == 0) first_progress = tokens;
      };
      const Run resumed = run(ids, policy, dtype, options);
      CHECK(first_progress > 32 * stop_after);
      CHECK(memory.refusal.empty());
      CHECK(resumed.result.nll == whole.result.nll);
      CHECK(resumed.recorder.kept_sets == whole.recorder.kept_sets);
      CHECK(resumed.result.kv_bytes == whole.result.kv_bytes);
      CHECK(resumed.result.peak_kv_bytes == whole.result.peak_kv_bytes);
      CHECK(resumed.result.layers.back().evicted == whole.result.layers.back().evicted);
      CHECK(memory.saves == 4);

      // Under another budget the state is of no use; nor is one that was damaged.
      options.budget = 25;
      run(ids, policy, dtype, options);
      CHECK_THAT(memory.refusal, Catch::Contains("belongs to something else"));
      options.budget = 24;
      memory.refusal.clear();
      memory.owned_by = "another";
      CHECK(run(ids, policy, dtype, options).result.nll == whole.result.nll);
      CHECK_THAT(memory.refusal, Catch::Contains("belongs to something else"));
      memory.state->at(memory.state->size() / 2) ^= 1;
      CHECK(run(ids, policy, dtype, options).result.nll == whole.result.nll);
      CHECK_THAT(memory.refusal, Catch::Contains("damaged"));
      options.keeper = nullptr;
      options.progress = nullptr;
    }
  }
}

TEST_CASE("prefixes are shared only where they may be", "[property]") {
  const auto ids = random_ids(200, 7);
  models::PrefixCache prefixes(1 << 26), too_small(1000);
  models::EvaluateOptions options;
  options.prefixes = &too_small;
  run(ids, "full", DType::kFloat32, options);
  options.budget = 128;
  CHECK(run(ids, "tova", DType::kFloat32, options).result.shared_tokens == 0);

  options.prefixes = &prefixes;
  options.budget.reset();
  run(ids, "full", DType::kFloat32, options);
  options.budget = 200;  // never evicts: the invariant must be computed, not copied
  CHECK(run(ids, "tova", DType::kFloat32, options).result.shared_tokens == 0);
  options.budget = 128;
  auto other = ids;
  other[0] = (other[0] + 1) % 200;
  CHECK(run(other, "tova", DType::kFloat32, options).result.shared_tokens == 0);
  options.rope_angles = models::RopeAngles::kF64;
  CHECK(run(ids, "tova", DType::kFloat32, options).result.shared_tokens == 0);
  options.rope_angles = models::RopeAngles::kHf32;
  CHECK(run(ids, "tova", DType::kFloat32, options).result.shared_tokens == 128);
  // A text that parts from the shared one exactly where the prefix ends: the NLL there is its own.
  models::PrefixCache border(1 << 26);
  models::EvaluateOptions part;
  part.prefixes = &border;
  run({ids.begin(), ids.begin() + 128}, "full", DType::kFloat32, part);
  auto branch = ids;
  branch[128] = (branch[128] + 1) % 200;
  part.budget = 128;
  models::EvaluateOptions alone;
  alone.budget = 128;
  CHECK(run(branch, "tova", DType::kFloat32, part).result.nll ==
        run(branch, "tova", DType::kFloat32, alone).result.nll);
  prefixes.clear();
  CHECK(run(ids, "tova", DType::kFloat32, options).result.shared_tokens == 0);
}

TEST_CASE("bad requests to the engine are refused by name", "[fault]") {
  const auto message = [](std::vector<std::int64_t> ids, const std::string& policy,
                          models::EvaluateOptions options) {
    try {
      run(ids, policy, DType::kFloat32, options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  models::EvaluateOptions options;
  CHECK(message({1}, "full", options).find("at least 2 tokens") != std::string::npos);
  CHECK(message({1, 200}, "full", options).find("outside the vocabulary of 200") !=
        std::string::npos);
  CHECK(message({1, -1}, "full", options).find("outside the vocabulary") != std::string::npos);
  CHECK(message({1, 2}, "tova", options).find("needs a budget") != std::string::npos);
  options.budget = 0;
  CHECK(message({1, 2}, "tova", options).find("too small") != std::string::npos);
  options.budget = 4;
  options.path = Path::kDense;
  CHECK(message({1, 2}, "tova", options).find("dense path knows no policy") != std::string::npos);
  options.path = Path::kScan;
  options.positions = policies::Positions::kCacheRelative;
  CHECK(message({1, 2}, "tova", options).find("need the step path") != std::string::npos);
  options.positions = policies::Positions::kOriginal;
  options.schedule = policies::Schedule::parse("prefill-only");
  CHECK(message({1, 2}, "tova", options).find("the text has none") != std::string::npos);
  options.schedule.prompt = 2;
  CHECK(message({1, 2}, "tova", options).find("leaves nothing") != std::string::npos);
  options.schedule = {};
  options.score_from = 1;
  CHECK(message({1, 2}, "tova", options).find("no token is scored") != std::string::npos);
  options.score_from = 0;
  options.path = Path::kStep;
  CHECK(message({1, 2}, "h2o-oracle", options).find("only the scan path") != std::string::npos);
  CHECK(message(random_ids(32769, 1), "window", {}).find("needs a budget") != std::string::npos);
  options.path = Path::kScan;
  CHECK(message(random_ids(32769, 1), "window", options).find("rope_angles=f64") !=
        std::string::npos);
}

TEST_CASE("an evaluation can be stopped", "[fault]") {
  models::EvaluateOptions options;
  options.chunk_tokens = 10;
  int polls = 0;
  options.should_stop = [&] { return ++polls > 5; };
  try {
    run(random_ids(100, 1), "full", DType::kFloat32, options);
    FAIL("it went on");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kInterrupted);
  }
}

}  // namespace
}  // namespace lethe::test
