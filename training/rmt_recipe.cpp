// SPDX-License-Identifier: Apache-2.0
#include "training/rmt_recipe.h"

#include <algorithm>
#include <iterator>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "training/recipe_members.h"

namespace lethe::training {
namespace {

constexpr ErrorKind kKind = ErrorKind::kConfig;

void expect_multiple(const std::string& where, std::int64_t of, const char* what,
                     std::int64_t found) {
  if (found % of == 0) return;
  throw Error(kKind, where + ": expected a multiple of the " + std::to_string(of) + " " + what +
                         ", found " + std::to_string(found));
}

// Members of encoders and of decoders.
void parse_encoder(ObjectReader& reader, RmtModelRecipe& model) {
  model.backbone = reader.string("backbone", "");
  model.relative_clip = at_least(reader, "relative_clip", model.relative_clip, 0);
  model.norm_before = reader.boolean("norm_before", model.norm_before);
  model.segment = at_least(reader, "segment", model.segment, 1);
}

void parse_decoder(ObjectReader& reader, RmtModelRecipe& model) {
  const std::vector<std::string> known{"gpt2", "llama"};
  model.architecture = reader.string("architecture", model.architecture);
  if (std::ranges::find(known, model.architecture) == known.end()) {
    throw unknown_name(kKind, reader.where("architecture"), model.architecture, known);
  }
  if (model.architecture == "llama") {
    model.kv_heads = at_least(reader, "kv_heads", model.heads, 1);
    expect_multiple(reader.where("heads"), model.kv_heads, "kv_heads", model.heads);
  }
  model.mask = models::parse_recurrent_mask(reader.string("mask", "causal"), kKind);
}

RmtModelRecipe parse_model(const json::value& value, const std::string& where, bool decoder) {
  ObjectReader reader(value, where, kKind);
  RmtModelRecipe model;
  model.layers = at_least(reader, "layers", model.layers, 1);
  model.hidden = at_least(reader, "hidden", model.hidden, 1);
  model.heads = at_least(reader, "heads", model.heads, 1);
  model.intermediate = at_least(reader, "intermediate", model.intermediate, 1);
  model.positions = at_least(reader, "positions", model.positions, 8);
  model.memory = at_least(reader, "memory", model.memory, 0);
  if (decoder) {
    parse_decoder(reader, model);
  } else {
    parse_encoder(reader, model);
  }
  reader.finish();
  expect_multiple(where + ": hidden", model.heads, "heads", model.hidden);
  return model;
}

RmtBatch parse_batch(const json::value& value, const std::string& where, bool facts) {
  ObjectReader reader(value, where, kKind);
  RmtBatch batch;
  batch.share = within(reader, "share", 1, 1e-6, 1e6);
  batch.batch = at_least(reader, "batch", batch.batch, 1);
  batch.segments = at_least(reader, "segments", batch.segments, 1);
  if (facts) {
    batch.segment = at_least(reader, "segment", batch.segment, 1);
    batch.confusers = within(reader, "confusers", 0, 0, 0.5);
  } else {
    batch.size = at_least(reader, "size", 0, 0);
  }
  reader.finish();
  return batch;
}

RmtStage parse_stage(const json::value& value, const std::string& where, bool facts) {
  ObjectReader reader(value, where, kKind);
  RmtStage stage;
  stage.name = reader.string("name");
  stage.steps = at_least(reader, "steps", 0, 1);
  stage.least_steps = at_least(reader, "least_steps", 0, 0);
  stage.until = within(reader, "until", stage.until, 0, 2);
  stage.rate = within(reader, "rate", stage.rate, 1e-9, 1);
  stage.rate_end = within(reader, "rate_end", 0, 0, 1);
  if (facts) {
    stage.ramp = within(reader, "ramp", 0, 0, 1);
    stage.ramp_above = within(reader, "ramp_above", stage.ramp_above, 0, 1);
  }
  const auto& batches = reader.array("batches");
  for (std::size_t i = 0; i < batches.size(); ++i) {
    stage.batches.push_back(
        parse_batch(batches[i], reader.where("batches") + "[" + std::to_string(i) + "]", facts));
  }
  if (stage.batches.empty()) throw Error(kKind, where + ": batches: expected at least one");
  reader.finish();
  return stage;
}

void parse_task(ObjectReader& reader, const std::filesystem::path& root, RmtRecipe& recipe) {
  const std::string name = reader.string("task");
  if (const auto sequence = tasks::find_sequence_task(name)) {
    const bool sized = *sequence != tasks::SequenceTask::kQuadratic;
    recipe.sequence = {*sequence, sized ? reader.integer("size") : 0};
    return;
  }
  auto known = tasks::fact_task_names();
  if (std::ranges::find(known, name) == known.end()) {
    std::ranges::move(tasks::sequence_task_names(), std::back_inserter(known));
    throw unknown_name(kKind, "memory task", name, known);
  }
  recipe.task = tasks::parse_fact_task(name);
  recipe.place = tasks::parse_fact_place(
      reader.string("place", recipe.task == tasks::FactTask::kMemorise ? "start" : "uniform"));
  recipe.noise = tasks::NoiseSource::read(reader, root);
}

}  // namespace

std::string RmtRecipe::task_name() const {
  return sequence ? tasks::to_string(sequence->task) : tasks::to_string(task);
}

std::int64_t RmtRecipe::most_steps() const {
  std::int64_t steps = 0;
  for (const RmtStage& stage : stages) steps += stage.steps;
  return steps;
}

std::int64_t RmtRecipe::trained_segments() const {
  std::int64_t most = 0;
  for (const RmtStage& stage : stages) {
    for (const RmtBatch& batch : stage.batches) most = std::max(most, batch.segments);
  }
  return most;
}

RmtRecipe parse_rmt_recipe(const json::value& value, const std::string& where,
                           const std::filesystem::path& root) {
  ObjectReader reader(value, where, kKind);
  RmtRecipe recipe;
  recipe.name = reader.string("name");
  recipe.title = reader.string("title", "");
  parse_task(reader, root, recipe);
  const bool facts = !recipe.sequence;
  recipe.model = parse_model(reader.at("model"), reader.where("model"), /*decoder=*/!facts);
  recipe.weight_decay = within(reader, "weight_decay", recipe.weight_decay, 0, 1);
  recipe.clip_norm = within(reader, "clip_norm", recipe.clip_norm, 1e-6, 1e6);
  recipe.warmup = at_least(reader, "warmup", recipe.warmup, 0);
  recipe.bptt = at_least(reader, "bptt", 0, 0);
  if (facts) recipe.memory_noise = within(reader, "memory_noise", 0, 0, 10);
  recipe.shards = at_least(reader, "shards", recipe.shards, 1);
  const auto& stages = reader.array("stages");
  for (std::size_t i = 0; i < stages.size(); ++i) {
    recipe.stages.push_back(
        parse_stage(stages[i], reader.where("stages") + "[" + std::to_string(i) + "]", facts));
  }
  std::vector<std::string> names;
  for (const RmtStage& stage : recipe.stages) names.push_back(stage.name);
  check_stage_names(names, reader.where("stages"));
  reader.finish();
  if (recipe.stages.empty()) throw Error(kKind, where + ": stages: expected at least one");
  recipe.text = value.get_object();
  return recipe;
}

RmtRecipe read_rmt_recipe(const std::filesystem::path& path, const std::filesystem::path& root) {
  return parse_rmt_recipe(read_json_file(path, kKind), path.string(), root);
}

}  // namespace lethe::training
