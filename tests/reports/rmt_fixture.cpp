// SPDX-License-Identifier: Apache-2.0
#include "tests/reports/rmt_fixture.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "tests/reports/answer_fixture.h"

namespace lethe::test {
namespace {

constexpr std::int64_t kClasses = 6;

std::string name_of(const RmtCellSpec& spec) {
  if (!spec.model.empty()) return spec.model;
  return "rmt-" + spec.task + "-" + std::to_string(spec.seed);
}

json::object model_of(const RmtCellSpec& spec) {
  json::object model{{"weights_sha256", sha256_hex(name_of(spec))}};
  if (!spec.recurrent) return model;
  model["rmt"] = {{"memory_tokens", 10},
                  {"segment_tokens", spec.segment},
                  {"training",
                   {{"task", spec.task},
                    {"place", "uniform"},
                    {"recipe", spec.recipe.empty() ? spec.task : spec.recipe},
                    {"seed", spec.seed},
                    {"trained_segments", spec.trained_segments},
                    {"trained_confusers", spec.trained_confusers},
                    {"steps", 1000 + spec.seed}}}};
  return model;
}

std::string inputs_of(const RmtCellSpec& spec) {
  return canonical_json(
      json::object{{"task",
                    {{"name", spec.task},
                     {"identity", json::object{{"version", 1},
                                               {"segment", spec.segment},
                                               {"fact", spec.fact},
                                               {"confusers", spec.confusers},
                                               {"noise", spec.noise},
                                               {"samples", spec.samples},
                                               {"seed", spec.test_seed},
                                               {"lanes", spec.segments > 64 ? 2 : 8}}}}},
                   {"model", model_of(spec)},
                   {"policy", spec.policy},
                   {"budget", spec.budget ? json::value(*spec.budget) : json::value(nullptr)},
                   {"length", spec.segments * spec.segment},
                   {"dtype", spec.dtype},
                   {"seed", spec.test_seed}});
}

/// Every segment in turn, or the first one.
std::int64_t fact_segment(const RmtCellSpec& spec, std::int64_t sample) {
  return spec.fact == "start" ? 0 : sample % spec.segments;
}

store::SampleRecord sample_of(const RmtCellSpec& spec, std::int64_t number) {
  const std::int64_t at = fact_segment(spec, number);
  const bool right = spec.right ? spec.right(number, at == spec.segments - 1) : true;
  store::SampleRecord sample;
  sample.sample_id = spec.task + "/" + (number < 10 ? "0" : "") + std::to_string(number);
  sample.sample_hash = sha256_hex(sample.sample_id + std::to_string(spec.segments) + spec.fact);
  sample.cluster = sample.sample_id;
  sample.tokens_in = spec.segments * spec.segment;
  sample.score = right ? 1 : 0;
  sample.output = json::serialize(json::object{{"answer", "office"},
                                               {"predicted", right ? "office" : "kitchen"},
                                               {"segments", spec.segments},
                                               {"fact_segments", json::array{at}},
                                               {"classes", kClasses},
                                               {"logits", json::array{1.5, 0, 0, 0, 0, 0}},
                                               {"resident_bytes", spec.resident_bytes}});
  sample.layers = "[]";
  sample.kv_bytes = spec.state_bytes;
  sample.peak_bytes = spec.peak_bytes;
  sample.seconds = 0.001 * spec.ms_per_segment * static_cast<double>(spec.segments);
  return sample;
}

/// Right where the fact is in the last segment, else one time in six.
bool by_chance(std::int64_t sample, bool last) {
  return last || sample % 6 == 2;
}

void add_curve(store::RunStore& store, RmtCellSpec spec, double loss_per_octave) {
  for (const std::int64_t segments : {1, 2, 4, 7, 8, 16, 64, 256, 1024, 4096}) {
    spec.segments = segments;
    const double octaves = std::max(0.0, std::log2(static_cast<double>(segments) / 7));
    const double share = 1 - loss_per_octave * octaves;
    spec.right = first_right(std::llround(static_cast<double>(spec.samples) * share));
    add_rmt_cell(store, spec);
  }
}

void add_controls(store::RunStore& store, RmtCellSpec spec) {
  spec.right = by_chance;
  for (const char* memory : {"reset", "shuffled", "none"}) {
    spec.policy = std::string("rmt:memory=") + memory;
    for (const std::int64_t segments : {4, 16, 64}) {
      spec.segments = segments;
      add_rmt_cell(store, spec);
    }
  }
}

void add_stages(store::RunStore& store) {
  for (std::int64_t trained = 1; trained < 7; ++trained) {
    RmtCellSpec spec{.model = "rmt-detect-1-n" + std::to_string(trained),
                     .trained_segments = trained,
                     .right = {}};
    for (const std::int64_t segments : {1, 2, 4, 7, 8, 16}) {
      spec.segments = segments;
      if (trained == 1 && segments > 1) {
        spec.right = by_chance;
      } else {
        const double beyond = static_cast<double>(std::max<std::int64_t>(0, segments - trained));
        spec.right = first_right(
            std::llround(64 * std::exp(-beyond / std::pow(4.0, static_cast<double>(trained)))));
      }
      add_rmt_cell(store, spec);
    }
  }
}

void add_evictions(store::RunStore& store) {
  for (const std::int64_t segments : {8, 32, 128}) {
    for (const char* policy : {"tova", "window"}) {
      const std::int64_t right = policy[0] == 't' ? 40 : 12;
      add_rmt_cell(store, {.noise = "pg19",
                           .policy = policy,
                           .budget = 512,
                           .model = "smollm2-135m",
                           .recurrent = false,
                           .segments = segments,
                           .segment = 512,
                           .ms_per_segment = 800,
                           .state_bytes = 512 * 30 * 3 * 64 * 4 * 2,
                           .right = first_right(right / (segments / 8))});
    }
  }
}

}  // namespace

std::function<bool(std::int64_t, bool)> first_right(std::int64_t count) {
  return [count](std::int64_t sample, bool) { return sample < count; };
}

std::string add_rmt_cell(store::RunStore& store, const RmtCellSpec& spec) {
  const std::string inputs = inputs_of(spec);
  const std::string key = sha256_hex(inputs);
  const store::CellRecord cell{.key = key,
                               .suite = "rmt",
                               .task = spec.task,
                               .model = name_of(spec),
                               .policy = spec.policy,
                               .budget = spec.budget,
                               .schedule = "exact",
                               .positions = "original",
                               .length = spec.segments * spec.segment,
                               .dtype = spec.dtype,
                               .kv_dtype = "same",
                               .seed = spec.test_seed,
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

void add_rmt_trial(store::RunStore& store) {
  for (std::int64_t seed = 1; seed <= 3; ++seed) {
    const double luck = 0.001 * static_cast<double>(seed);
    add_curve(store, {.seed = seed, .right = {}}, 0.002 + luck);
    add_curve(store, {.fact = "start", .seed = seed, .right = {}}, 0.003 + luck);
    add_curve(store, {.confusers = 0.02, .seed = seed, .right = {}}, 0.01 + luck);
    add_curve(store, {.task = "memorise", .fact = "start", .seed = seed, .right = {}}, 0.01 + luck);
    add_controls(store, {.seed = seed, .right = {}});
    add_controls(store, {.fact = "start", .seed = seed, .right = {}});
  }
  add_curve(store, {.task = "reasoning", .seed = 1, .right = {}}, 0.05);
  add_curve(store, {.model = "rmt-detect-1-short", .recipe = "detect-short", .right = {}}, 0.04);
  add_stages(store);
  add_evictions(store);
}

}  // namespace lethe::test
