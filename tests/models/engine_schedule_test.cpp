// SPDX-License-Identifier: Apache-2.0
// Golden parity of the schedules: TOVA's released cache (post-prompt), chunked TOVA (block:m) and
// kvpress' presses (prefill-only).
#include <algorithm>
#include <cmath>

#include "harness/base/json.h"
#include "models/checkpoint/safetensors.h"
#include "tests/models/engine_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;
using models::Path;

using Positions = std::vector<std::int64_t>;

Positions list(const json::value& value) {
  return json::value_to<Positions>(value);
}

/// Positions that left layer `layer` after token `step`, ascending.
Positions evicted_after(const Recorder& recorder, int layer, std::int64_t step) {
  Positions out;
  const auto found = recorder.victims.find({layer, -1});
  if (found == recorder.victims.end()) return out;
  for (const auto& eviction : found->second) {
    if (eviction.step == step) out.push_back(eviction.position);
  }
  std::sort(out.begin(), out.end());
  return out;
}

models::EvaluateOptions with(std::int64_t budget, const std::string& schedule,
                             std::int64_t prompt) {
  models::EvaluateOptions options;
  options.budget = budget;
  options.schedule = policies::Schedule::parse(schedule);
  options.schedule.prompt = prompt;
  return options;
}

void check_block(const json::value& c, const Recorder& recorder) {
  int layer = 0;
  for (const auto& entry : c.at("layers").as_array()) {
    for (const auto& eviction : entry.at("evictions").as_array()) {
      CHECK(evicted_after(recorder, layer, eviction.at("after_token").as_int64()) ==
            list(eviction.at("evicted")));
    }
    CHECK(recorder.kept_sets.at({layer, -1}) == list(entry.at("kept")));
    ++layer;
  }
}

TEST_CASE("schedules of the tiny model equal their goldens, both paths", "[golden]") {
  const auto document =
      read_json_file(golden("tiny_policies/llama_gqa_tied.json"), ErrorKind::kData);
  const auto ids = list(document.at("input_ids"));
  const Path path = GENERATE(Path::kScan, Path::kStep);
  const DType dtype = GENERATE(DType::kFloat64, DType::kFloat32);
  int cases = 0;
  for (const auto& c : document.at("chunked_tova_layer").as_array()) {
    const std::int64_t budget = c.at("k").as_int64();
    CAPTURE(json::serialize(c.at("schedule")), budget, static_cast<int>(path));
    ++cases;
    if (c.at("schedule").as_string() == "block") {
      auto options = with(budget, "block:" + std::to_string(c.at("chunk").as_int64()), 0);
      options.path = path;
      const auto r = run(ids, "tova", dtype, options);
      check_block(c, r.recorder);
      CHECK(max_difference(r.result.nll, json::value_to<std::vector<double>>(c.at("nll"))) <
            (dtype == DType::kFloat64 ? 1e-9 : 1e-4));
      continue;
    }
    // The prompt is the whole golden text; one more token lets it be a prompt.
    auto longer = ids;
    longer.push_back(1);
    auto options = with(budget, "prefill-only", c.at("prompt_tokens").as_int64());
    options.path = path;
    const auto r = run(longer, "tova", dtype, options);
    int layer = 0;
    for (const auto& entry : c.at("layers").as_array()) {
      CHECK(evicted_after(r.recorder, layer, options.schedule.prompt - 1) ==
            list(entry.at("evicted")));
      auto kept = list(entry.at("kept"));
      kept.push_back(static_cast<std::int64_t>(ids.size()));
      CHECK(r.recorder.kept_sets.at({layer, -1}) == kept);
      ++layer;
    }
  }
  CHECK(cases == 5);
}

const models::Model& smollm2(DType dtype) {
  static std::map<DType, std::unique_ptr<models::Model>> loaded;
  auto& model = loaded[dtype];
  if (!model) model = models::load_model(*models::open_checkpoint(default_model()), dtype);
  return *model;
}

TEST_CASE("post-prompt equals TOVA's released cache on SmolLM2", "[golden]") {
  const auto document = read_json_file(golden("policies/smollm2_oneshot.json"), ErrorKind::kData);
  const auto ids = list(document.at("input_ids"));
  const std::int64_t prompt = document.at("prompt_tokens").as_int64();
  const DType dtype = GENERATE(DType::kFloat64, DType::kFloat32);
  const auto options = with(document.at("k").as_int64(), "post-prompt", prompt);
  const auto r = run(smollm2(dtype), ids, "tova", options);
  const auto& continuation = document.at("continuation_victims").as_array();
  for (int layer = 0; layer < 30; ++layer) {
    CAPTURE(layer, to_string(dtype));
    const auto& entry = document.at("layers").as_array().at(static_cast<std::size_t>(layer));
    CHECK(evicted_after(r.recorder, layer, prompt - 1) == list(entry.at("evicted")));
    Positions later;
    for (const auto& eviction : r.recorder.victims.at({layer, -1})) {
      if (eviction.step >= prompt) later.push_back(eviction.position);
    }
    CHECK(later == list(continuation.at(static_cast<std::size_t>(layer))));
    CHECK(r.recorder.kept_sets.at({layer, -1}) ==
          list(document.at("final_kept").as_array().at(static_cast<std::size_t>(layer))));
  }
  CHECK(max_difference(r.result.nll, json::value_to<std::vector<double>>(document.at("nll"))) <
        (dtype == DType::kFloat64 ? 1e-9 : 1e-3));
}

TEST_CASE("block:32 equals chunked TOVA on SmolLM2", "[golden]") {
  const auto document = read_json_file(golden("policies/smollm2_block.json"), ErrorKind::kData);
  const auto ids = list(document.at("input_ids"));
  const DType dtype = GENERATE(DType::kFloat64, DType::kFloat32);
  for (const auto& c : document.at("cases").as_array()) {
    const auto r =
        run(smollm2(dtype), ids, "tova",
            with(c.at("k").as_int64(), "block:" + std::to_string(c.at("chunk").as_int64()), 0));
    CAPTURE(c.at("k").as_int64(), to_string(dtype));
    check_block(c, r.recorder);
    CHECK(max_difference(r.result.nll, json::value_to<std::vector<double>>(c.at("nll"))) <
          (dtype == DType::kFloat64 ? 1e-9 : 1e-3));
  }
}

// kvpress computes in float32, and so do we: where the last kept and the first dropped score lie
// closer than that can tell (its cut_margin), a head may keep one for the other.
TEST_CASE("prefill-only keeps the indices that kvpress keeps", "[golden]") {
  const auto document = read_json_file(golden("policies/kvpress.json"), ErrorKind::kData);
  const models::SafetensorsFile file(golden("policies/kvpress.safetensors"));
  const auto ids = list(document.at("input_ids"));
  const std::int64_t prompt = document.at("prompt_tokens").as_int64();
  const auto kept_count = static_cast<std::size_t>(document.at("n_kept").as_int64());
  const std::map<std::string, std::pair<std::string, double>> ours = {
      {"SnapKVPress_w64_k5", {"snapkv", 2e-8}},
      {"SnapKVPress_w32_k7", {"snapkv:kernel=7,window=32", 2e-8}},
      {"KnormPress", {"l2", 2e-4}},  // our tie rule: a relative 1e-5 of norms up to 20
      {"StreamingLLMPress", {"window:sinks=4", 0}},
      {"TOVAPress", {"tova:keep_current=true", 2e-8}},
      {"ObservedAttentionPress", {"observed", 2e-8}}};
  int presses = 0, swaps = 0;  // tokens that a head keeps for another at a near tie
  for (const auto& press : document.at("presses").as_array()) {
    const std::string key(press.at("key").as_string());
    const auto& [policy, near] = ours.at(key);
    auto options = with(static_cast<std::int64_t>(kept_count), "prefill-only", prompt);
    options.score_from = prompt;
    const auto r = run(smollm2(DType::kFloat32), ids, policy, options);
    const int swaps_before = swaps;
    const auto kept = file.read_i64(key + ".kept");
    const auto margins = file.read_f64(key + ".cut_margin");
    for (int layer = 0; layer < 30; ++layer) {
      for (int head = 0; head < 3; ++head) {
        const auto index = static_cast<std::size_t>(layer * 3 + head);
        const auto begin = kept.begin() + static_cast<std::ptrdiff_t>(index * kept_count);
        const Positions expected(begin, begin + static_cast<std::ptrdiff_t>(kept_count));
        const auto own = r.recorder.kept_sets.contains({layer, -1})
                             ? r.recorder.kept_sets.at({layer, -1})
                             : r.recorder.kept_sets.at({layer, head});
        // What came after the prompt stays.
        const Positions actual(own.begin(), own.begin() + static_cast<std::ptrdiff_t>(kept_count));
        Positions missing;
        std::set_difference(expected.begin(), expected.end(), actual.begin(), actual.end(),
                            std::back_inserter(missing));
        if (missing.empty()) continue;
        CAPTURE(key, layer, head, margins[index]);
        swaps += static_cast<int>(missing.size());
        CHECK(missing.size() == 1);
        CHECK(margins[index] <= near);
      }
    }
    CAPTURE(key, swaps - swaps_before);
    CHECK(max_difference(r.result.nll,
                         json::value_to<std::vector<double>>(press.at("continuation_nll"))) <
          (swaps == swaps_before ? 1e-3 : 5e-2));
    ++presses;
  }
  CHECK(presses == 6);
  CHECK(swaps <= 10);
}

}  // namespace
}  // namespace lethe::test
