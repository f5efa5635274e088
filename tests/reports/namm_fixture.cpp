// SPDX-License-Identifier: Apache-2.0
#include "tests/reports/namm_fixture.h"

#include <array>

#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/store/training_curves.h"
#include "tests/reports/answer_fixture.h"
#include "tests/reports/report_fixture.h"

namespace lethe::test {
namespace {

constexpr double kTokenBytes = 128;

std::string inputs_of(const NammCellSpec& spec) {
  json::object inputs{
      {"task", json::object{{"name", spec.task}, {"identity", json::object{{"version", 1}}}}},
      {"model", json::object{{"weights_sha256", sha256_hex(spec.model)}}},
      {"policy", spec.policy},
      {"budget", spec.budget ? json::value(*spec.budget) : json::value(nullptr)},
      {"schedule", spec.schedule},
      {"samples", sha256_hex(std::to_string(spec.samples))},
      {"length", spec.length},
      {"seed", spec.seed}};
  if (!spec.content.empty()) inputs["policy_content_sha256"] = sha256_hex(spec.content);
  return canonical_json(inputs);
}

/// Half of the peak is there at the end.
std::string layers_of(const NammCellSpec& spec) {
  json::array layers;
  for (const double more : {0.0, 2.0}) {
    const auto kept = static_cast<std::int64_t>(spec.peak_tokens + more) / 2;
    layers.push_back(json::object{{"mean_lifetime", spec.mean_tokens + more},
                                  {"kept_max", kept},
                                  {"live_bytes", static_cast<double>(kept) * kTokenBytes},
                                  {"peak_live_bytes", (spec.peak_tokens + more) * kTokenBytes}});
  }
  return json::serialize(layers);
}

store::SampleRecord sample_of(const NammCellSpec& spec, std::int64_t number) {
  store::SampleRecord sample;
  sample.sample_id = spec.task + "/" + (number < 10 ? "0" : "") + std::to_string(number);
  sample.sample_hash = sha256_hex(sample.sample_id);
  sample.cluster = sample.sample_id;
  sample.tokens_in = spec.length;
  if (spec.mean_nll) {
    sample.tokens_scored = 100 + number;
    sample.nll_sum = spec.mean_nll(number) * static_cast<double>(sample.tokens_scored);
  } else if (spec.score) {
    sample.score = spec.score(number);
  }
  sample.layers = spec.with_layers ? layers_of(spec) : "[]";
  sample.seconds = 1;
  return sample;
}

}  // namespace

std::function<double(std::int64_t)> first_ones(std::int64_t count) {
  return [count](std::int64_t sample) { return sample < count ? 1.0 : 0.0; };
}

std::string add_namm_cell(store::RunStore& store, const NammCellSpec& spec) {
  const std::string inputs = inputs_of(spec);
  const std::string key = sha256_hex(inputs);
  const store::CellRecord cell{.key = key,
                               .suite = "namm",
                               .task = spec.task,
                               .model = spec.model,
                               .policy = spec.policy,
                               .budget = spec.budget,
                               .schedule = spec.schedule,
                               .positions = "original",
                               .length = spec.length,
                               .dtype = "float32",
                               .kv_dtype = "same",
                               .seed = spec.seed,
                               .inputs = inputs,
                               .n_samples = spec.wanted == 0 ? spec.samples : spec.wanted};
  const auto run = store.begin_run(answer_provenance());
  std::vector<store::SampleRow> rows;
  for (std::int64_t number = 0; number < spec.samples; ++number) {
    rows.push_back({.cell_key = key, .provenance_id = run, .record = sample_of(spec, number)});
    rows.back().record.sample_key = sha256_hex(key + rows.back().record.sample_hash);
  }
  store.add_cells({&cell, 1});
  store.add_samples(rows);
  store.set_cell_status(key, spec.status, spec.reason);
  return key;
}

void add_namm_training(store::RunStore& store, const std::string& content, std::int64_t seed,
                       const std::vector<std::string>& tasks) {
  json::array trained;
  for (const std::string& task : tasks) {
    trained.push_back(json::object{{"task", task}, {"length", 512}, {"prompts", 16}});
  }
  const store::TrainingRecord record{
      .kind = "namm",
      .name = "namm-recall",
      .recipe = {{"recipe",
                  {{"model", "recall"},
                   {"stages", json::array{{{"name", "first"}, {"tasks", trained}}}}}}},
      .seed = seed};
  const FixedClock clock;
  store::TrainingStore trainings(store, "lethe train namm", clock);
  const auto id = trainings.begin(record, begin_run(store));
  std::vector<store::TrainingPoint> points{{0, "first", "entry_fitness", 0.4}};
  for (std::int64_t step = 1; step <= 10; ++step) {
    const double gain = 0.04 * static_cast<double>(step);
    points.push_back({step, "first", "fitness_mean", 0.35 + gain});
    points.push_back({step, "first", "cache_mean", 90.0 + static_cast<double>(seed)});
    points.push_back({step, "first", "cache_peak", 160});
    if (step % 5 != 0) continue;
    // The first selection is the better one.
    points.push_back({step, "first", "selection_fitness", step == 5 ? 0.9 : 0.8});
    points.push_back({step, "first", "selection_cache_mean", 91});
    points.push_back({step, "first", "selection_cache_peak", 160});
  }
  trainings.add_points(id, points);
  trainings.finish(id, store::TrainingStatus::kDone, "", sha256_hex(content));
}

void add_namm_trial(store::RunStore& store) {
  add_namm_cell(store, {.schedule = "exact", .score = first_ones(40)});
  for (std::int64_t seed = 1; seed <= 3; ++seed) {
    const std::string name = "namm-recall-" + std::to_string(seed);
    add_namm_cell(store, {.policy = "namm:cap=true,weights=" + name,
                          .budget = 96,
                          .content = name,
                          .mean_tokens = 99,
                          .peak_tokens = 158,
                          .score = first_ones(28 + 2 * seed)});
    add_namm_training(store, name, seed);
  }
  const auto beside = [&](const std::string& policy, std::int64_t right, double mean = 99,
                          double peak = 158, std::int64_t budget = 96) {
    add_namm_cell(store, {.policy = policy,
                          .budget = budget,
                          .mean_tokens = mean,
                          .peak_tokens = peak,
                          .score = first_ones(right)});
  };
  beside("random", 10);
  beside("window", 12);
  beside("h2o", 20, 99, 200);
  beside("l2", 32, 80, 158);
  beside("truncate", 36, 49, 96);
  beside("truncate", 38, 99, 192, 190);
  add_namm_cell(store, {.policy = "tova",
                        .budget = 96,
                        .samples = 3,
                        .wanted = 40,
                        .status = store::CellStatus::kOom,
                        .reason = "out of memory",
                        .score = first_ones(3)});
}

}  // namespace lethe::test
