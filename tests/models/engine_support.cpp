// SPDX-License-Identifier: Apache-2.0
#include "tests/models/engine_support.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "harness/base/names.h"
#include "tests/policies/namm_reference.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

void Recorder::evicted(std::int64_t step, int layer, int head, std::int64_t position, double) {
  victims[{layer, head}].push_back({step, position});
}

void Recorder::kept(int layer, int head, std::span<const std::int64_t> positions) {
  kept_sets[{layer, head}].assign(positions.begin(), positions.end());
}

void Recorder::scored(std::int64_t step, double value) {
  if (nll.empty()) first_scored = step;
  if (step != first_scored + static_cast<std::int64_t>(nll.size())) {
    throw std::logic_error("scores out of order");
  }
  nll.push_back(value);
}

FlipReport compare_victims(const PolicyCase& expected, const Recorder& actual, double near_tie) {
  constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  FlipReport report;
  std::map<int, std::int64_t> first_flip_of_layer;      // step of the earliest flip
  for (const auto& [key, golden] : expected.victims) {  // ascending layers
    const auto found = actual.victims.find(key);
    const std::string where =
        "layer " + std::to_string(key.first) + " head " + std::to_string(key.second);
    if (found == actual.victims.end() || found->second.size() != golden.size()) {
      report.unexcused = where + ": another number of victims";
      return report;
    }
    std::int64_t excused_after = kNever;
    for (const auto& [layer, step] : first_flip_of_layer) {
      if (layer < key.first) excused_after = std::min(excused_after, step);
    }
    for (std::size_t i = 0; i < golden.size(); ++i) {
      const auto& eviction = found->second[i];
      const std::int64_t step = expected.budget + static_cast<std::int64_t>(i);
      if (eviction.step != step) {
        report.unexcused = where + ": victim " + std::to_string(i) + " left at another token";
        return report;
      }
      if (step > excused_after) break;
      if (eviction.position == golden[i]) continue;
      const auto margins = expected.margin_rel.find(key);
      const bool tie = margins != expected.margin_rel.end() && margins->second[i] <= near_tie;
      if (!tie) {
        report.unexcused = where + " token " + std::to_string(step) + ": expected victim " +
                           std::to_string(golden[i]) + ", found " +
                           std::to_string(eviction.position);
        return report;
      }
      ++report.flips;
      auto [slot, added] = first_flip_of_layer.emplace(key.first, step);
      if (!added) slot->second = std::min(slot->second, step);
      report.first_token = report.first_token < 0 ? step : std::min(report.first_token, step);
      break;  // the rest of this head is excused
    }
  }
  return report;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double max_difference(const std::vector<double>& a, const std::vector<double>& b,
                      std::int64_t count) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  const std::size_t n = count < 0 ? a.size() : std::min(a.size(), static_cast<std::size_t>(count));
  double worst = 0;
  for (std::size_t i = 0; i < n; ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

std::vector<std::string> every_policy() {
  // Observation windows that fit tiny texts.
  const std::map<std::string, std::vector<std::string>> small = {
      {"snapkv", {"snapkv:kernel=3,window=4", "snapkv:kernel=3,pool=max,scope=layer,window=3"}},
      {"pyramidkv", {"pyramidkv:kernel=3,window=4"}},
      {"namm", {"namm:cap=true,weights=" + policies::random_namm_file(1)}}};
  std::vector<std::string> out;
  for (const auto& info : policies::known_policies().list()) {
    if (const auto given = small.find(info.name); given != small.end()) {
      out.insert(out.end(), given->second.begin(), given->second.end());
      continue;
    }
    const auto traits = policies::known_policies().resolve(info.name).traits;
    if (!traits.takes_budget || traits.recurrent) continue;  // the latter keeps no cache
    out.push_back(info.name);
    const std::string help = join(info.option_help, "\n");
    if (help.find("scope=") != std::string::npos) {
      out.push_back(info.name + ":scope=layer");
      out.push_back(info.name + ":scope=head");
    }
    if (help.find("sinks=") != std::string::npos) out.push_back(info.name + ":sinks=3");
    if (help.find("keep_current=") != std::string::npos) {
      out.push_back(info.name + ":keep_current=true");
    }
  }
  return out;
}

const models::Model& tiny_model(const std::string& name, models::DType dtype,
                                const models::LoadOptions& where) {
  using Key = std::tuple<std::string, models::DType, std::string, models::Backend>;
  static std::map<Key, std::unique_ptr<models::Model>> loaded;
  auto& model = loaded[{name, dtype, where.device, where.backend}];
  if (!model) {
    model = models::load_model(*models::open_checkpoint(golden("tiny/" + name)), dtype, {}, where);
  }
  return *model;
}

std::vector<std::int64_t> random_ids(std::int64_t count, std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<std::int64_t> ids;
  for (std::int64_t i = 0; i < count; ++i)
    ids.push_back(static_cast<std::int64_t>(random.below(200)));
  return ids;
}

Run run(const models::Model& model, const std::vector<std::int64_t>& ids, const std::string& policy,
        models::EvaluateOptions options) {
  Run out;
  options.observer = &out.recorder;
  out.result = model.evaluate(ids, policies::known_policies().resolve(policy), options);
  return out;
}

Run run(const std::vector<std::int64_t>& ids, const std::string& policy, models::DType dtype,
        models::EvaluateOptions options) {
  return run(tiny_model("llama_gqa_tied", dtype), ids, policy, options);
}

const std::vector<std::string> kShapes = {"llama_gqa_tied", "llama_mha", "llama_bias_headdim",
                                          "mistral_sw16", "gemma2"};

void check_same(const Run& expected, const Run& found, double tolerance) {
  CHECK(found.recorder.victims == expected.recorder.victims);
  CHECK(found.recorder.kept_sets == expected.recorder.kept_sets);
  CHECK(max_difference(found.result.nll, expected.result.nll) < tolerance);
  CHECK(found.result.kv_bytes == expected.result.kv_bytes);
  CHECK(found.result.peak_kv_bytes == expected.result.peak_kv_bytes);
  CHECK(found.result.layers.back().mean_lifetime == expected.result.layers.back().mean_lifetime);
  CHECK(found.result.layers.back().lost == expected.result.layers.back().lost);
}

policies::Schedule random_schedule(RandomStream& random, const std::string& policy,
                                   std::int64_t length) {
  const auto plan = policies::known_policies().resolve(policy);
  using Kind = policies::Schedule::Kind;
  while (true) {
    policies::Schedule schedule;
    schedule.kind = static_cast<Kind>(random.below(5));
    if (schedule.kind == Kind::kBlock || schedule.kind == Kind::kEvery)
      schedule.block = 2 + static_cast<std::int64_t>(random.below(20));
    if (schedule.kind == Kind::kBlock && plan.traits.update_interval > 1)
      schedule.block = plan.traits.update_interval;
    if (schedule.needs_prompt()) {
      schedule.prompt =
          1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(length - 1)));
    }
    try {
      policies::check_schedule(plan, schedule);
      return schedule;
    } catch (const Error&) {  // another one, then
    }
  }
}

models::EvaluateOptions random_options(RandomStream& random, const std::string& policy,
                                       std::int64_t length) {
  models::EvaluateOptions options;
  options.budget = 6 + static_cast<std::int64_t>(random.below(40));
  options.seed = random.next();
  options.block_rows = 1 + static_cast<std::int64_t>(random.below(40));
  options.chunk_tokens = 1 + static_cast<std::int64_t>(random.below(100));
  options.schedule = random_schedule(random, policy, length);
  options.score_from = static_cast<std::int64_t>(random.below(3));
  return options;
}

}  // namespace lethe::test
