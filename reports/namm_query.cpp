// SPDX-License-Identifier: Apache-2.0
#include "reports/namm_query.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "harness/base/json.h"
#include "harness/base/names.h"
#include "harness/base/spec.h"

namespace lethe::reports {
namespace {

constexpr const char* kWeights = "weights";

/// "namm-recall" of "namm-recall-2"; nothing where no number ends the name.
/// A file OUT/checkpoints/recall-2/namm.json goes by its folder.
std::optional<std::string> stem_of(const std::string& given) {
  std::string weights = given;
  if (const auto slash = weights.rfind('/'); slash != std::string::npos) {
    weights.resize(slash);
    weights.erase(0, weights.rfind('/') + 1);
  }
  const auto dash = weights.rfind('-');
  if (dash == std::string::npos || dash == 0) return std::nullopt;
  if (!parse_integer(weights.substr(dash + 1))) return std::nullopt;
  return weights.substr(0, dash);
}

/// What tells a row from the others of its method.
std::string label_of(const store::CellRecord& record) {
  const Spec spec = Spec::parse(record.policy, ErrorKind::kStore);
  const std::string* weights = spec.find(kWeights);
  if (spec.name == kNammPolicy && weights && record.seed == 0) return *weights;
  return (weights ? *weights + ", " : "") + "seed " + std::to_string(record.seed);
}

std::vector<NammSample> samples_of(const store::RunStore& store, const std::string& key) {
  const std::array<json::value, 1> parameters{json::value(key)};
  const auto result = store.query(
      "SELECT sample_id, sample_hash, cluster, score, tokens_scored, nll_sum, layers\n"
      "FROM samples WHERE cell_key = ?1 ORDER BY sample_id",
      parameters);
  std::vector<NammSample> samples;
  samples.reserve(result.rows.size());
  for (const auto& row : result.rows) {
    NammSample sample{.id = std::string(row[0].as_string()),
                      .hash = std::string(row[1].as_string()),
                      .cluster = std::string(row[2].as_string()),
                      .score = {},
                      .tokens = row[4].as_int64(),
                      .nll = {},
                      .cache = {}};
    // A query spells out what JSON has no number for: such values are none.
    if (row[3].is_double()) sample.score = row[3].get_double();
    if (row[5].is_double()) sample.nll = row[5].get_double();
    if (row[6].is_string()) {
      sample.cache = store::cache_size(row[6].get_string(),
                                       "cell " + key.substr(0, 12) + "…, sample " + sample.id);
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

/// The panel of a cell, without rows.
NammPanel panel_of(const store::CellRecord& record, const json::value& inputs) {
  json::object rest = inputs.as_object();
  for (const char* axis : {"policy", "budget", "schedule", "seed", "plugin_sha256",
                           "policy_content_sha256", "samples"}) {
    rest.erase(axis);
  }
  NammPanel panel;
  panel.settings = {.task = record.task,
                    .model = record.model,
                    .length = record.length,
                    .schedule = "",
                    .positions = record.positions,
                    .dtype = record.dtype,
                    .kv_dtype = record.kv_dtype,
                    .seed = 0,
                    .variant = canonical_json(rest)};
  const json::value* task = rest.if_contains("task");
  const json::object* entry = task ? task->if_object() : nullptr;
  const json::value* identity = entry ? entry->if_contains("identity") : nullptr;
  const json::object* members = identity ? identity->if_object() : nullptr;
  const json::value* aggregate = members ? members->if_contains("aggregate") : nullptr;
  panel.corpus_score = aggregate && *aggregate != "mean";
  return panel;
}

void put_in_order(NammPanel& panel) {
  const auto scored = [](const NammRow& row) {
    return std::any_of(row.samples.begin(), row.samples.end(),
                       [](const NammSample& sample) { return sample.score.has_value(); });
  };
  const auto likely = [](const NammRow& row) {
    return std::any_of(row.samples.begin(), row.samples.end(),
                       [](const NammSample& sample) { return sample.nll.has_value(); });
  };
  panel.text = std::none_of(panel.rows.begin(), panel.rows.end(), scored) &&
               std::any_of(panel.rows.begin(), panel.rows.end(), likely);
  std::vector<std::string> policies;
  for (std::size_t i = 0; i < panel.rows.size(); ++i) {
    const NammRow& row = panel.rows[i];
    NammMethod method{.name = Spec::parse(row.policy, ErrorKind::kStore).name,
                      .policy = without_training_seed(row.policy),
                      .budget = row.budget,
                      .schedule = row.schedule,
                      .rows = {}};
    auto at = std::find_if(panel.methods.begin(), panel.methods.end(),
                           [&](const NammMethod& other) { return other.same(method); });
    if (at == panel.methods.end()) at = panel.methods.insert(at, std::move(method));
    at->rows.push_back(i);
    if (std::find(policies.begin(), policies.end(), at->policy) == policies.end()) {
      policies.push_back(at->policy);
    }
  }
  for (NammMethod& method : panel.methods) {
    std::stable_sort(method.rows.begin(), method.rows.end(), [&](std::size_t a, std::size_t b) {
      return std::tie(panel.rows[a].policy, panel.rows[a].seed) <
             std::tie(panel.rows[b].policy, panel.rows[b].seed);
    });
  }
  // Policies in the order in which they first come, after the full cache and NAMM.
  const auto place = [&](const NammMethod& method) {
    const auto at = std::find(policies.begin(), policies.end(), method.policy) - policies.begin();
    return std::tuple(method.full()   ? 0
                      : method.namm() ? 1
                                      : 2,
                      at, method.budget, method.schedule);
  };
  std::stable_sort(panel.methods.begin(), panel.methods.end(),
                   [&](const NammMethod& a, const NammMethod& b) { return place(a) < place(b); });
}

std::vector<NammTraining> read_namm_trainings(const store::RunStore& store) {
  std::vector<NammTraining> trainings;
  const std::array<json::value, 1> parameters{json::value(kNammTraining)};
  const auto found = store.query(
      "SELECT key, name, seed, checkpoint_sha256, recipe FROM trainings WHERE kind = ?1 ORDER BY "
      "name, seed, key",
      parameters);
  for (const auto& row : found.rows) {
    NammTraining run{.key = std::string(row[0].as_string()),
                     .name = std::string(row[1].as_string()),
                     .seed = row[2].as_int64(),
                     .checkpoint = row[3].is_null() ? "" : std::string(row[3].as_string()),
                     .model = {},
                     .lengths = {}};
    const std::string where = "training " + run.key.substr(0, 12) + "…: recipe";
    const json::value recipe = parse_json(row[4].as_string(), where, ErrorKind::kStore);
    ObjectReader whole(recipe, where, ErrorKind::kStore);
    ObjectReader reader(whole.at("recipe"), whole.where("recipe"), ErrorKind::kStore);
    run.model = reader.string("model");
    for (const json::value& item : reader.array("stages")) {
      ObjectReader stage(item, reader.where("stages"), ErrorKind::kStore);
      for (const json::value& task : stage.array("tasks")) {
        ObjectReader one(task, stage.where("tasks"), ErrorKind::kStore);
        run.lengths[one.string("task")].insert(one.integer("length"));
      }
    }
    trainings.push_back(std::move(run));
  }
  return trainings;
}

}  // namespace

std::string without_training_seed(const std::string& policy) {
  Spec spec = Spec::parse(policy, ErrorKind::kStore);
  if (spec.name != kNammPolicy) return policy;
  for (auto& [key, value] : spec.options) {
    const auto stem = key == kWeights ? stem_of(value) : std::nullopt;
    if (stem) value = *stem;
  }
  return spec.text();
}

NammResults read_namm_results(const store::RunStore& store, const Selection& selection) {
  NammResults results;
  for (const store::StoredCell& stored : selected_cells(store, selection)) {
    const store::CellRecord& record = stored.record;
    const std::string where = "cell " + record.key.substr(0, 12) + "…: inputs";
    const json::value inputs = parse_json(record.inputs, where, ErrorKind::kStore);
    ObjectReader reader(inputs, where, ErrorKind::kStore);
    NammPanel panel = panel_of(record, inputs);
    auto at =
        std::find_if(results.panels.begin(), results.panels.end(),
                     [&](const NammPanel& other) { return other.settings == panel.settings; });
    if (at == results.panels.end()) at = results.panels.insert(at, std::move(panel));
    at->rows.push_back({.key = record.key,
                        .policy = record.policy,
                        .budget = record.budget,
                        .schedule = record.schedule,
                        .seed = record.seed,
                        .content = reader.string("policy_content_sha256", ""),
                        .label = label_of(record),
                        .status = stored.status,
                        .reason = stored.reason,
                        .wanted = record.n_samples,
                        .samples = {}});
  }
  std::erase_if(results.panels, [&](const NammPanel& panel) {
    const bool without = std::none_of(panel.rows.begin(), panel.rows.end(), [](const NammRow& row) {
      return Spec::parse(row.policy, ErrorKind::kStore).name == kNammPolicy;
    });
    if (without) results.left_out += panel.rows.size();
    return without;
  });
  for (NammPanel& panel : results.panels) {
    for (NammRow& row : panel.rows) row.samples = samples_of(store, row.key);
    put_in_order(panel);
  }
  results.trainings = read_namm_trainings(store);
  return results;
}

std::string namm_cells_sql(const NammPanel& panel) {
  std::vector<std::string> keys;
  for (const NammRow& row : panel.rows) keys.push_back(sql_quote(row.key));
  return "WITH memory AS (\n  SELECT s.sample_key, avg(l.value ->> 'mean_lifetime') AS mean,\n"
         "    avg((l.value ->> 'kept_max') * 1.0 * (l.value ->> 'peak_live_bytes') /\n"
         "        nullif(l.value ->> 'live_bytes', 0)) AS peak\n"
         "  FROM samples s, json_each(s.layers) l\n  WHERE s.cell_key IN (" +
         join(keys, ", ") +
         ")\n  GROUP BY s.sample_key)\n"
         "SELECT c.policy, c.budget, c.schedule, c.seed, avg(m.mean) AS mean_tokens,\n"
         "       avg(m.peak) AS peak_tokens, 100 * avg(s.score) AS points,\n"
         "       exp(sum(s.nll_sum) / nullif(sum(s.tokens_scored), 0)) AS perplexity,\n"
         "       count(s.sample_id) AS samples, c.n_samples, c.status, c.cell_key\n"
         "FROM cells c LEFT JOIN samples s ON s.cell_key = c.cell_key\n"
         "LEFT JOIN memory m ON m.sample_key = s.sample_key\nWHERE c.cell_key IN (" +
         join(keys, ", ") +
         ")\nGROUP BY c.cell_key\nORDER BY c.policy, c.budget, c.schedule, c.seed";
}

}  // namespace lethe::reports
