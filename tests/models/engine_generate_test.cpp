// SPDX-License-Identifier: Apache-2.0
// Decoding: the golden continuations, the step path as oracle, and samples that do not see each
// other.
#include <algorithm>
#include <fstream>
#include <functional>
#include <map>

#include "harness/base/error.h"
#include "harness/base/json.h"
#include "models/checkpoint/checkpoint.h"
#include "models/engine/generate.h"
#include "tests/models/engine_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;
using models::GenerateOptions;
using models::GenerateRequest;
using models::GenerateResult;
using models::StopReason;
using policies::Schedule;

std::vector<GenerateResult> generate(const models::Model& model,
                                     const std::vector<GenerateRequest>& requests,
                                     const GenerateOptions& options = {}) {
  std::vector<GenerateResult> results(requests.size());
  std::vector<int> calls(requests.size());
  model.generate(requests, options, [&](std::size_t index, GenerateResult result) {
    results[index] = std::move(result);
    ++calls[index];
  });
  CHECK(std::all_of(calls.begin(), calls.end(), [](int n) { return n == 1; }));
  return results;
}

std::vector<std::vector<std::int64_t>> ids_of(const std::vector<GenerateResult>& results) {
  std::vector<std::vector<std::int64_t>> ids;
  for (const auto& result : results) ids.push_back(result.ids);
  return ids;
}

const policies::PolicyPlan& plan_of(const std::string& policy) {
  static std::map<std::string, policies::PolicyPlan> plans;
  const auto found = plans.find(policy);
  if (found != plans.end()) return found->second;
  return plans.emplace(policy, policies::known_policies().resolve(policy)).first->second;
}

GenerateRequest request_of(std::vector<std::int64_t> prompt, const std::string& policy,
                           std::optional<std::int64_t> budget, const std::string& schedule,
                           std::int64_t max_new) {
  GenerateRequest request;
  request.prompt = std::move(prompt);
  request.policy = &plan_of(policy);
  request.budget = budget;
  request.schedule = Schedule::parse(schedule);
  request.max_new = max_new;
  return request;
}

bool refuses(const policies::PolicyPlan& plan, const Schedule& schedule) {
  try {
    policies::check_schedule(plan, schedule);
    return false;
  } catch (const Error&) {
    return true;
  }
}

void check_greedy_goldens(const models::LoadOptions& where) {
  const auto model =
      models::load_model(*models::open_checkpoint(default_model()), DType::kFloat32, {}, where);
  std::ifstream file(golden("dense/smollm2_greedy.jsonl"));
  std::vector<GenerateRequest> requests;
  std::vector<std::vector<std::int64_t>> expected;
  std::vector<std::vector<double>> margins;
  for (std::string line; std::getline(file, line);) {
    const auto row = parse_json(line, "golden", ErrorKind::kData);
    requests.push_back(request_of(json::value_to<std::vector<std::int64_t>>(row.at("prompt_ids")),
                                  "full", std::nullopt, "exact", 48));
    expected.push_back(json::value_to<std::vector<std::int64_t>>(row.at("new_ids")));
    margins.push_back(json::value_to<std::vector<double>>(row.at("logit_margins")));
  }
  REQUIRE(requests.size() == 10);
  GenerateOptions options;
  options.lanes = 4;  // ragged prompts, and lanes that are filled again
  const auto found = ids_of(generate(*model, requests, options));
  std::size_t compared = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    REQUIRE(found[i].size() == expected[i].size());
    // Below this margin another library may choose the other token, and go another way from there.
    const auto near = std::find_if(margins[i].begin(), margins[i].end(),
                                   [](double margin) { return margin < 1e-3; });
    const auto count = static_cast<std::ptrdiff_t>(near - margins[i].begin());
    compared += static_cast<std::size_t>(count);
    CHECK(std::equal(found[i].begin(), found[i].begin() + count, expected[i].begin()));
  }
  CHECK(compared > 470);
  options.lanes = 1;
  CHECK(ids_of(generate(*model, requests, options)) == found);
  options.lanes = 10;
  CHECK(ids_of(generate(*model, requests, options)) == found);
}

TEST_CASE("greedy continuations of SmolLM2 are those of transformers", "[golden]") {
  check_greedy_goldens({});
}

TEST_CASE("cuda: greedy continuations of SmolLM2", "[.cuda][golden]") {
  models::require_device("cuda:0");
  check_greedy_goldens({"cuda:0"});
}

TEST_CASE("more lanes than rows take their steps in groups", "[property]") {
  const auto& model = tiny_model("llama_gqa_tied", DType::kFloat32);
  std::vector<GenerateRequest> requests;
  for (std::uint64_t i = 0; i < 70; ++i) {
    requests.push_back(request_of(random_ids(10 + static_cast<std::int64_t>(i % 7), i), "tova", 8,
                                  "exact", 3 + static_cast<std::int64_t>(i % 5)));
  }
  GenerateOptions options;
  options.lanes = 70;
  const auto together = ids_of(generate(model, requests, options));
  options.lanes = 4;
  CHECK(ids_of(generate(model, requests, options)) == together);
}

TEST_CASE("every token is the one that the step path finds most likely", "[property]") {
  const std::string policy = GENERATE(from_range(every_policy()));
  if (plan_of(policy).traits.reads_whole_text) return;
  RandomStream random(31);
  for (const std::string shape : {"llama_gqa_tied", "mistral_sw16", "llama_bias_headdim"}) {
    const auto& model = tiny_model(shape, DType::kFloat64);
    const auto prompt = random_ids(20 + static_cast<std::int64_t>(random.below(30)), random.next());
    auto request = request_of(prompt, policy, 14, "exact", 25);
    const auto length = static_cast<std::int64_t>(prompt.size());
    request.policy_seed = random.next();
    do {
      request.schedule = random_schedule(random, policy, length + 25);
      // Half of them cut before the rest of the prompt is read: a question after a document.
      const auto before = 1 + static_cast<std::int64_t>(random.below(20));
      request.schedule.prompt =
          random.below(2) == 0 ? length : length - std::min(before, length - 1);
    } while (refuses(plan_of(policy), request.schedule));
    GenerateOptions options;
    options.kv_type = static_cast<models::KvType>(random.below(4));
    options.chunk_tokens = 1 + static_cast<std::int64_t>(random.below(40));
    options.block_rows = 1 + static_cast<std::int64_t>(random.below(20));
    const auto found = generate(model, {request}, options).front();
    CAPTURE(policy, shape, request.schedule.text(), request.schedule.prompt, length,
            options.chunk_tokens);
    REQUIRE(found.ids.size() == 25);
    CHECK(found.reason == StopReason::kLength);

    // The last token is chosen, and never goes in.
    auto text = prompt;
    text.insert(text.end(), found.ids.begin(), found.ids.end() - 1);
    models::EvaluateOptions evaluate;
    evaluate.path = models::Path::kStep;
    evaluate.kv_type = options.kv_type;
    evaluate.budget = request.budget;
    evaluate.schedule = request.schedule;
    evaluate.seed = request.policy_seed;
    for (std::int64_t i = length - 1; i < length + 24; ++i) evaluate.logit_rows.push_back(i);
    const auto step = run(model, text, policy, evaluate);
    for (std::size_t i = 0; i < found.ids.size(); ++i) {
      const auto& logits = step.result.logits[i];
      const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
      CHECK(found.ids[i] == best);
    }
    CHECK(found.kv_bytes == step.result.kv_bytes);
    CHECK(found.peak_kv_bytes == step.result.peak_kv_bytes);
    for (std::size_t l = 0; l < found.layers.size(); ++l) {
      CHECK(found.layers[l].seen == step.result.layers[l].seen);
      CHECK(found.layers[l].evicted == step.result.layers[l].evicted);
      CHECK(found.layers[l].lost == step.result.layers[l].lost);
      CHECK(found.layers[l].mean_lifetime == step.result.layers[l].mean_lifetime);
    }
  }
}

TEST_CASE("every family generates what its step path finds most likely", "[property]") {
  const std::string shape = GENERATE("qwen2", "qwen3", "phi3", "gemma2", "gpt2", "gpt_neox", "opt",
                                     "llama_rope_yarn", "llama_rope_dynamic");
  const auto& model = tiny_model(shape, DType::kFloat64);
  std::vector<GenerateRequest> requests;
  for (const std::int64_t length : {9, 31, 40}) {  // lanes of several lengths
    requests.push_back(request_of(random_ids(length, 38), "tova", 14, "exact", 12));
  }
  const auto found = generate(model, requests);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    CAPTURE(shape, i);
    // The last token never goes in, but counts in the length that a dynamic base follows from.
    auto text = requests[i].prompt;
    text.insert(text.end(), found[i].ids.begin(), found[i].ids.end());
    const auto prompt = static_cast<std::int64_t>(requests[i].prompt.size());
    models::EvaluateOptions evaluate;
    evaluate.path = models::Path::kStep;
    evaluate.budget = 14;
    for (std::int64_t row = prompt - 1; row < prompt + 11; ++row)
      evaluate.logit_rows.push_back(row);
    const auto step = run(model, text, "tova", evaluate);
    REQUIRE(found[i].ids.size() == 12);
    for (std::size_t t = 0; t < 12; ++t) {
      const auto& logits = step.result.logits[t];
      CHECK(found[i].ids[t] == std::max_element(logits.begin(), logits.end()) - logits.begin());
    }
  }
}

/// Twelve requests that differ in everything.
std::vector<GenerateRequest> mixed_requests() {
  std::vector<GenerateRequest> requests;
  RandomStream random(32);
  const std::vector<std::string> policies = {"full", "tova", "window:sinks=2",
                                             "h2o",  "l2",   "random"};
  for (std::size_t i = 0; i < 12; ++i) {
    const std::string& policy = policies[i % policies.size()];
    auto request = request_of(random_ids(5 + static_cast<std::int64_t>(random.below(60)), i),
                              policy, std::nullopt, i % 2 ? "exact" : "post-prompt",
                              1 + static_cast<std::int64_t>(random.below(30)));
    if (policy != "full") request.budget = 8 + static_cast<std::int64_t>(random.below(20));
    request.policy_seed = request.sampling_seed = i;
    if (i % 3 == 0) request.sampling.temperature = 0.9;
    requests.push_back(std::move(request));
  }
  return requests;
}

TEST_CASE("a sample's tokens are the same alone and in any batch", "[property]") {
  const auto dtype = GENERATE(DType::kFloat32, DType::kBFloat16);
  const auto& model = tiny_model("llama_gqa_tied", dtype);
  const auto requests = mixed_requests();
  GenerateOptions options;
  options.lanes = 8;
  const auto together = ids_of(generate(model, requests, options));
  for (const std::int64_t lanes : {1, 3, 5, 12}) {
    options.lanes = lanes;
    CHECK(ids_of(generate(model, requests, options)) == together);
  }
  for (std::size_t i = 0; i < requests.size(); ++i) {
    CAPTURE(i);
    CHECK(together[i].size() == static_cast<std::size_t>(requests[i].max_new));
    CHECK(generate(model, {requests[i]}).front().ids == together[i]);
  }
}

void check_against_host(const models::LoadOptions& where) {
  const auto requests = mixed_requests();
  const auto& host = tiny_model("llama_gqa_tied", DType::kFloat64);
  const auto& tensor = tiny_model("llama_gqa_tied", DType::kFloat64, where);
  for (const auto kv_type : {models::KvType::kSame, models::KvType::kInt8}) {
    GenerateOptions options;
    options.lanes = 5;
    options.kv_type = kv_type;
    CHECK(ids_of(generate(tensor, requests, options)) == ids_of(generate(host, requests, options)));
  }
}

TEST_CASE("tensor operations generate what the host's kernels do", "[property]") {
  check_against_host({.backend = models::Backend::kTensor});
}

TEST_CASE("cuda: generation as by the host's kernels", "[.cuda][property]") {
  models::require_device("cuda:0");
  check_against_host({"cuda:0"});
}

TEST_CASE("requests with one prompt share its beginning", "[property]") {
  const auto& model = tiny_model("llama_gqa_tied", DType::kFloat32);
  const auto prompt = random_ids(300, 33);
  std::vector<GenerateRequest> requests;
  for (const std::string policy : {"tova", "window", "h2o", "l2"}) {
    for (const std::int64_t budget : {70, 150}) {
      requests.push_back(request_of(prompt, policy, budget, "post-prompt", 10));
    }
  }
  const auto alone = generate(model, requests);
  models::PrefixCache prefixes(1 << 26);
  GenerateOptions options;
  options.prefixes = &prefixes;
  const auto shared = generate(model, requests, options);
  CHECK(ids_of(shared) == ids_of(alone));
  CHECK(shared.front().shared_tokens == 0);
  // All that comes before the one cut, in whole blocks of rows.
  for (std::size_t i = 1; i < shared.size(); ++i) CHECK(shared[i].shared_tokens == 192);
}

TEST_CASE("long prompts are shared whole, by the full cache too", "[property]") {
  const auto& model = tiny_model("llama_gqa_tied", DType::kFloat32);
  const auto prompt = random_ids(2600, 38);
  std::vector<GenerateRequest> requests = {
      request_of(prompt, "full", std::nullopt, "exact", 6),
      request_of(prompt, "tova", 100, "post-prompt", 6),
      request_of(prompt, "h2o", 100, "prefill-only", 6),
      request_of(prompt, "window", 100, "every:4", 6),
      request_of(prompt, "full", std::nullopt, "exact", 5),
  };
  const auto alone = generate(model, requests);
  models::PrefixCache prefixes(1 << 28);
  GenerateOptions options;
  options.prefixes = &prefixes;
  const auto shared = generate(model, requests, options);
  CHECK(ids_of(shared) == ids_of(alone));
  CHECK(shared.front().shared_tokens == 0);
  for (std::size_t i = 1; i < shared.size(); ++i) CHECK(shared[i].shared_tokens >= 2600 - 128);
}

TEST_CASE("samples of one prompt go on from one prefill", "[property]") {
  const std::string policy = GENERATE("full", "tova", "h2o", "l2", "random", "snapkv:window=8");
  const auto& model = tiny_model("llama_gqa_tied", DType::kFloat32);
  const bool bounded = policy != "full";
  const auto base = request_of(random_ids(150, 37), policy,
                               bounded ? std::optional<std::int64_t>(40) : std::nullopt,
                               policy.starts_with("snapkv") ? "block:16" : "exact", 12);
  std::vector<GenerateRequest> requests(5, base);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].sampling.temperature = 1;
    requests[i].sampling_seed = i;
  }
  requests[3].policy_seed = 7;  // not a sample of the same prefill
  for (const auto kv_type : {models::KvType::kSame, models::KvType::kInt8}) {
    GenerateOptions options;
    options.lanes = 2;
    options.kv_type = kv_type;
    const auto together = generate(model, requests, options);
    for (const std::size_t i : {1, 2}) CHECK(together[i].shared_tokens == 150);
    for (const std::size_t i : {0, 3, 4}) CHECK(together[i].shared_tokens == 0);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      CAPTURE(policy, i);
      const auto alone = generate(model, {requests[i]}, options).front();
      CHECK(together[i].ids == alone.ids);
      CHECK(together[i].kv_bytes == alone.kv_bytes);
      CHECK(together[i].peak_kv_bytes == alone.peak_kv_bytes);
      CHECK(together[i].layers.front().evicted == alone.layers.front().evicted);
      CHECK(together[i].layers.front().mean_lifetime == alone.layers.front().mean_lifetime);
    }
  }
}

TEST_CASE("a sample ends where it is told to", "[unit]") {
  const auto& model = tiny_model("llama_gqa_tied", DType::kFloat32);
  auto request = request_of(random_ids(12, 34), "full", std::nullopt, "exact", 20);
  const auto whole = generate(model, {request}).front();
  REQUIRE(whole.ids.size() == 20);
  CHECK(whole.reason == StopReason::kLength);
  CHECK(whole.layers.front().seen == 12 + 19);

  const std::int64_t end = whole.ids[7];
  const auto first = static_cast<std::size_t>(std::find(whole.ids.begin(), whole.ids.end(), end) -
                                              whole.ids.begin());
  request.end_ids = {100000, end};
  const auto ended = generate(model, {request}).front();
  CHECK(ended.reason == StopReason::kEndId);
  CHECK(ended.ids ==
        std::vector<std::int64_t>(whole.ids.begin(), whole.ids.begin() + static_cast<long>(first)));

  // No end before so many: the next likely id stands there.
  request.min_new = static_cast<std::int64_t>(first) + 1;
  const auto later = generate(model, {request}).front();
  REQUIRE(later.ids.size() > first);
  CHECK(std::equal(ended.ids.begin(), ended.ids.end(), later.ids.begin()));
  CHECK(later.ids[first] != end);
  request.min_new = 0;

  request.end_ids.clear();
  std::vector<std::int64_t> seen;
  request.accept = [&](std::int64_t id) {
    seen.push_back(id);
    return seen.size() < 5;
  };
  const auto stopped = generate(model, {request}).front();
  CHECK(stopped.reason == StopReason::kStopped);
  CHECK(stopped.ids == seen);
  CHECK(seen.size() == 5);

  request.accept = nullptr;
  request.max_new = 1;
  CHECK(generate(model, {request}).front().ids.size() == 1);
}

TEST_CASE("ids beyond the tokenizer are never chosen", "[unit]") {
  const auto& model = tiny_model("llama_gqa_tied", DType::kFloat32);
  auto request = request_of(random_ids(12, 34), "full", std::nullopt, "exact", 30);
  GenerateOptions options;
  const auto free = generate(model, {request}, options).front().ids;
  options.drawable_ids = *std::max_element(free.begin(), free.end());
  const auto largest = [&] {
    const auto ids = generate(model, {request}, options).front().ids;
    return *std::max_element(ids.begin(), ids.end());
  };
  CHECK(largest() < options.drawable_ids);
  request.sampling.temperature = 5;
  options.drawable_ids = 20;
  CHECK(largest() < 20);
}

TEST_CASE("times of a sample are those of its own prompt and steps", "[unit]") {
  const auto& model = tiny_model("llama_gqa_tied", DType::kFloat32);
  std::vector<GenerateRequest> requests;
  for (std::uint64_t i = 0; i < 4; ++i) {
    requests.push_back(request_of(random_ids(100, i), "tova", 20, "exact", 8));
  }
  for (const std::int64_t lanes : {1, 2}) {
    GenerateOptions options;
    options.lanes = lanes;
    std::vector<GenerateResult> results(requests.size());
    const auto totals = model.generate(
        requests, options,
        [&](std::size_t index, GenerateResult result) { results[index] = std::move(result); });
    double prefill = 0, decode = 0;
    for (const auto& result : results) {
      CHECK(result.prefill_seconds > 0);
      CHECK(result.decode_seconds > 0);
      prefill += result.prefill_seconds;
      decode += result.decode_seconds;
    }
    CHECK(prefill == Approx(totals.prefill_seconds));
    CHECK(decode == Approx(totals.decode_seconds * static_cast<double>(lanes)));
  }
}

TEST_CASE("requests that cannot run are refused before any work", "[fault]") {
  const auto& model = tiny_model("llama_gqa_tied", DType::kFloat32);
  const auto message = [&](const std::function<void(GenerateRequest&)>& change) -> std::string {
    auto request = request_of(random_ids(12, 35), "tova", 8, "exact", 5);
    change(request);
    try {
      model.generate({{request}}, {}, [](std::size_t, GenerateResult) { FAIL("it ran"); });
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  CHECK_THAT(message([](auto& r) { r.prompt.clear(); }), Catch::Contains("at least one token"));
  CHECK_THAT(message([](auto& r) { r.prompt[3] = 1 << 20; }), Catch::Contains("vocabulary"));
  CHECK_THAT(message([](auto& r) { r.max_new = 0; }), Catch::Contains("max_new"));
  CHECK_THAT(message([](auto& r) { r.min_new = 6; }), Catch::Contains("0 to max_new (5)"));
  CHECK_THAT(message([](auto& r) { r.schedule.prompt = 13; }),
             Catch::Contains("cuts after 13 tokens of a prompt of 12"));
  CHECK_THAT(message([](auto& r) { r.budget.reset(); }), Catch::Contains("needs a budget"));
  CHECK_THAT(message([](auto& r) { r.sampling.temperature = -1; }), Catch::Contains("temperature"));
  CHECK_THAT(message([](auto& r) { r.policy = &plan_of("h2o-oracle"); }),
             Catch::Contains("looks at the whole text"));
  CHECK_THAT(message([](auto& r) {
               r.policy = &plan_of("snapkv");
               r.budget = 100;
               r.schedule = Schedule::parse("prefill-only");
             }),
             Catch::Contains("the prompt has 12"));

  GenerateOptions options;
  int polls = 0;
  options.should_stop = [&] { return ++polls > 20; };
  const auto request = request_of(random_ids(12, 36), "tova", 8, "exact", 500);
  CHECK_THROWS_WITH(model.generate({{request}}, options, [](std::size_t, GenerateResult) {}),
                    Catch::Contains("stopped after"));
}

}  // namespace
}  // namespace lethe::test
