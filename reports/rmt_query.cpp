// SPDX-License-Identifier: Apache-2.0
#include "reports/rmt_query.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/base/names.h"

namespace lethe::reports {
namespace {

/// A cell as read, before it has its group.
struct Read {
  RmtGroup group;  ///< without lines
  RmtModel model;
  RmtCell cell;
};

std::optional<std::int64_t> integer(ObjectReader& reader, std::string_view name) {
  const json::value* value = reader.find(name);
  if (!value || value->is_null()) return std::nullopt;
  return reader.integer(name);
}

std::optional<double> number(ObjectReader& reader, std::string_view name) {
  const json::value* value = reader.find(name);
  if (!value || value->is_null()) return std::nullopt;
  return reader.number(name);
}

RmtCondition condition_of(const store::CellRecord& record, const json::value* task,
                          const std::string& where) {
  RmtCondition condition;
  condition.task = record.task;
  const json::object* object = task ? task->if_object() : nullptr;
  const json::value* identity = object ? object->if_contains("identity") : nullptr;
  if (!identity) return condition;
  ObjectReader reader(*identity, where + ".task.identity", ErrorKind::kStore);
  condition.fact = reader.string("fact", "");
  condition.confusers = number(reader, "confusers");
  condition.noise = reader.string("noise", "");
  condition.segment = integer(reader, "segment");
  condition.seed = integer(reader, "seed");
  json::object rest = identity->as_object();
  // How many samples there are and how many are computed side by side tells no conditions apart.
  for (const char* name : {"fact", "confusers", "noise", "segment", "samples", "lanes"}) {
    rest.erase(name);
  }
  condition.rest = canonical_json(rest);
  return condition;
}

RmtModel model_of(const store::CellRecord& record, const json::value* inputs,
                  const std::string& where) {
  RmtModel model;
  model.name = record.model;
  if (!inputs || !inputs->is_object()) return model;
  ObjectReader identity(*inputs, where + ".model", ErrorKind::kStore);
  model.weights = identity.string("weights_sha256", "");
  const json::value* rmt = identity.find("rmt");
  if (!rmt) return model;
  model.recurrent = true;
  ObjectReader shape(*rmt, where + ".model.rmt", ErrorKind::kStore);
  model.memory = integer(shape, "memory_tokens");
  const json::value* training = shape.find("training");
  if (!training) return model;
  ObjectReader reader(*training, shape.where("training"), ErrorKind::kStore);
  model.task = reader.string("task", "");
  model.seed = integer(reader, "seed");
  model.trained_segments = integer(reader, "trained_segments");
  model.trained_confusers = number(reader, "trained_confusers");
  model.recipe = reader.string("recipe", "");
  return model;
}

std::string run_of(const store::CellRecord& record, const json::value& inputs) {
  json::object rest = inputs.as_object();
  for (const char* axis : {"policy", "budget", "model", "task", "samples", "length"}) {
    rest.erase(axis);
  }
  // Columns count even where the inputs of an old database lack them.
  // Formed by the length alone, and a recurrent model rotates nothing.
  rest.erase("rope_angles");
  rest["columns"] = {record.schedule, record.positions, record.dtype, record.kv_dtype, record.seed};
  return canonical_json(rest);
}

std::string run_name_of(const store::CellRecord& record) {
  std::string name = record.dtype;
  if (record.kv_dtype != "same") name += ", KV " + record.kv_dtype;
  return name + ", " + record.schedule + ", " + record.positions + " positions, test seed " +
         std::to_string(record.seed);
}

RmtSample sample_of(const std::vector<json::value>& row) {
  const std::string id(row[0].as_string());
  RmtSample sample{.id = id,
                   .score = {},
                   .fact_segments = {},
                   .classes = 0,
                   .tokens = row[2].as_int64(),
                   .seconds = row[3].to_number<double>(),
                   .state_bytes = row[4].as_int64(),
                   .peak_bytes = row[5].as_int64(),
                   .resident_bytes = 0};
  if (row[1].is_double()) sample.score = row[1].as_double();
  // Other tasks write no JSON: their samples have a score and nothing else.
  if (!row[6].is_string()) return sample;
  const std::string where = "sample " + id + ": output";
  const json::value output = parse_json(row[6].as_string(), where, ErrorKind::kStore);
  ObjectReader reader(output, where, ErrorKind::kStore);
  sample.classes = reader.integer("classes", 0);
  sample.resident_bytes = reader.integer("resident_bytes", 0);
  if (!reader.has("fact_segments")) return sample;
  for (const json::value& at : reader.array("fact_segments")) {
    if (!at.is_int64()) {
      throw Error(ErrorKind::kStore, reader.where("fact_segments") +
                                         ": expected whole numbers, found " +
                                         std::string(describe_type(at)));
    }
    sample.fact_segments.push_back(at.as_int64());
  }
  return sample;
}

/// Samples of a cell, and the segments that the first one of them names.
std::vector<RmtSample> samples_of(const store::RunStore& store, const std::string& key,
                                  std::optional<std::int64_t>& segments) {
  // Of the output the members that are read: a generated text may be long.
  const std::array<json::value, 1> parameters{json::value(key)};
  const auto result = store.query(
      "SELECT sample_id, score, tokens_in, seconds, kv_bytes, peak_bytes,\n"
      "       CASE WHEN json_valid(output) AND json_type(output) = 'object' THEN\n"
      "         json_object('classes', ifnull(json_extract(output, '$.classes'), 0),\n"
      "           'resident_bytes', ifnull(json_extract(output, '$.resident_bytes'), 0),\n"
      "           'fact_segments', json(ifnull(json_extract(output, '$.fact_segments'), '[]')))\n"
      "       END, json_extract(CASE WHEN json_valid(output) THEN output END, '$.segments')\n"
      "FROM samples WHERE cell_key = ?1 ORDER BY sample_id",
      parameters);
  std::vector<RmtSample> samples;
  samples.reserve(result.rows.size());
  for (const auto& row : result.rows) {
    samples.push_back(sample_of(row));
    if (!segments && row[7].is_int64()) segments = row[7].as_int64();
  }
  return samples;
}

Read read_cell(const store::RunStore& store, const store::StoredCell& stored) {
  const store::CellRecord& record = stored.record;
  const std::string where = "cell " + record.key.substr(0, 12) + "…: inputs";
  const json::value inputs = parse_json(record.inputs, where, ErrorKind::kStore);
  ObjectReader reader(inputs, where, ErrorKind::kStore);
  Read read;
  read.group = {.condition = condition_of(record, reader.find("task"), where),
                .policy = record.policy,
                .budget = record.budget,
                .memory = memory_of_policy(record.policy),
                .run = run_of(record, inputs),
                .run_name = run_name_of(record),
                .lines = {}};
  read.model = model_of(record, reader.find("model"), where);
  read.cell = {.key = record.key,
               .length = record.length,
               .segments = {},
               .status = stored.status,
               .reason = stored.reason,
               .wanted = record.n_samples,
               .samples = {}};
  const auto segment = read.group.condition.segment;
  if (segment && *segment > 0 && record.length % *segment == 0) {
    read.cell.segments = record.length / *segment;
  }
  read.cell.samples = samples_of(store, record.key, read.cell.segments);
  return read;
}

void place(std::vector<RmtGroup>& groups, Read read) {
  auto group = std::find_if(groups.begin(), groups.end(), [&](const RmtGroup& other) {
    return other.condition == read.group.condition && other.policy == read.group.policy &&
           other.budget == read.group.budget && other.run == read.group.run &&
           other.model().same_recipe(read.model);
  });
  if (group == groups.end()) group = groups.insert(groups.end(), std::move(read.group));
  auto line = std::find_if(group->lines.begin(), group->lines.end(), [&](const RmtLine& other) {
    return other.model.name == read.model.name && other.model.seed == read.model.seed &&
           other.model.weights == read.model.weights && !other.at(read.cell.length);
  });
  if (line == group->lines.end()) {
    line = group->lines.insert(group->lines.end(), RmtLine{read.model, {}});
  }
  line->cells.push_back(std::move(read.cell));
}

void put_in_order(RmtGroup& group) {
  std::stable_sort(group.lines.begin(), group.lines.end(), [](const RmtLine& a, const RmtLine& b) {
    return std::pair(a.model.seed.value_or(0), a.model.name) <
           std::pair(b.model.seed.value_or(0), b.model.name);
  });
  for (RmtLine& line : group.lines) {
    std::stable_sort(line.cells.begin(), line.cells.end(),
                     [](const RmtCell& a, const RmtCell& b) { return a.length < b.length; });
  }
}

}  // namespace

RmtResults read_rmt_results(const store::RunStore& store, const Selection& selection) {
  const auto cells = selected_cells(store, selection);
  std::set<std::string> tasks;
  for (const store::StoredCell& stored : cells) {
    if (memory_of_policy(stored.record.policy) != RmtMemory::kEviction) {
      tasks.insert(stored.record.task);
    }
  }
  RmtResults results;
  for (const store::StoredCell& stored : cells) {
    if (tasks.contains(stored.record.task)) place(results.groups, read_cell(store, stored));
  }
  for (RmtGroup& group : results.groups) put_in_order(group);
  return results;
}

std::string rmt_cells_sql(const Selection& selection, const std::string& condition) {
  const auto option = [](const std::string& name) {
    return "json_extract(c.inputs, '$.task.identity." + name + "')";
  };
  const auto trained = [](const std::string& name) {
    return "json_extract(c.inputs, '$.model.rmt.training." + name + "')";
  };
  return "SELECT c.task, " + option("fact") + " AS fact, " + option("confusers") +
         " AS confusers,\n       " + option("noise") + " AS noise, c.model, " + trained("seed") +
         " AS seed,\n       " + trained("trained_segments") +
         " AS trained_segments, c.policy, c.budget, c.length,\n       c.length / " +
         option("segment") +
         " AS segments,\n       100 * avg(s.score) AS accuracy, count(s.score) AS samples,\n"
         "       avg(s.seconds) AS seconds_per_sample,\n       1000 * avg(s.seconds) / (c.length "
         "/ " +
         option("segment") +
         ")\n         AS ms_per_sample_and_segment,\n"
         "       max(s.kv_bytes) AS state_bytes, max(s.peak_bytes) AS peak_bytes,\n"
         "       max(json_extract(s.output, '$.resident_bytes')) AS resident_bytes, c.status,\n"
         "       c.cell_key\nFROM cells c LEFT JOIN samples s ON s.cell_key = c.cell_key\nWHERE " +
         condition + " AND c.cell_key IN (" + cell_keys_sql(selection) +
         ")\nGROUP BY c.cell_key\nORDER BY c.task, fact, confusers, c.policy, trained_segments, "
         "seed, c.length";
}

}  // namespace lethe::reports
