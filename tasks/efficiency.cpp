// SPDX-License-Identifier: Apache-2.0
#include "tasks/efficiency.h"

#include <algorithm>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "policies/schedule.h"

namespace lethe::tasks {

namespace {

/// Bytes of keys and values that one sample holds at most. Throws Error(kConfig) for a policy whose
/// cache has no bound.
std::int64_t cache_bytes(const models::Model& model, const RunSettings& settings,
                         std::int64_t length) {
  const auto& config = model.config();
  const auto tokens =
      policies::most_live(settings.policy, settings.budget, settings.evaluate.schedule, length);
  if (!tokens) {
    throw Error(ErrorKind::kConfig, "task efficiency: policy '" + settings.policy.text +
                                        "' keeps what it likes: what fits cannot be told");
  }
  std::int64_t number = model.dtype() == models::DType::kBFloat16  ? 2
                        : model.dtype() == models::DType::kFloat64 ? 8
                                                                   : 4;
  std::int64_t scale = 0;
  switch (settings.evaluate.kv_type) {
    case models::KvType::kSame:
      break;
    case models::KvType::kFloat32:
      number = 4;
      break;
    case models::KvType::kBFloat16:
      number = 2;
      break;
    case models::KvType::kInt8:
      number = 1;
      scale = 4;
      break;
  }
  const std::int64_t vectors = 2 * config.n_layers * config.n_kv_heads;
  return *tokens * vectors * (config.head_dim * number + scale);
}

}  // namespace

EfficiencyOptions EfficiencyOptions::parse(const json::object& object,
                                           const std::filesystem::path& root) {
  const json::value holder(object);
  ObjectReader reader(holder, "task efficiency", ErrorKind::kConfig);
  EfficiencyOptions options;
  if (reader.find("memory_mib")) {
    options.memory_mib = at_least(reader.integer("memory_mib"), 1, reader.where("memory_mib"));
  }
  if (reader.find("lanes")) {
    throw Error(ErrorKind::kConfig,
                reader.where("lanes") + ": the memory decides how many; leave it out");
  }
  json::object rest = object;
  rest.erase("memory_mib");
  options.generation = ContinuationOptions::parse(rest, root);
  return options;
}

EfficiencyTask::EfficiencyTask(const EfficiencyOptions& options, std::int64_t length)
    : ContinuationTask("efficiency", options.generation, length),
      memory_bytes_(options.memory_mib << 20),
      length_(length) {}

json::object EfficiencyTask::identity() const {
  json::object out = ContinuationTask::identity();
  out["version"] = kVersion;
  out["memory_mib"] = memory_bytes_ >> 20;
  out.erase("lanes");
  return out;
}

std::int64_t EfficiencyTask::fitting(const models::Model& model,
                                     const RunSettings& settings) const {
  const std::int64_t bytes = cache_bytes(model, settings, length_);
  const std::int64_t lanes = memory_bytes_ / bytes;
  if (lanes < 1) {
    throw Error(ErrorKind::kConfig, "task efficiency: the cache of one sample takes " +
                                        human_bytes(static_cast<double>(bytes)) +
                                        ", more than memory_mib allows");
  }
  return lanes;
}

std::int64_t EfficiencyTask::lanes_of(const models::Model& model, const RunSettings& settings,
                                      std::size_t samples) const {
  return std::min(fitting(model, settings), static_cast<std::int64_t>(samples));
}

std::string EfficiencyTask::output_of(std::string text, std::int64_t lanes) const {
  return canonical_json(json::object{{"lanes", lanes}, {"text", std::move(text)}});
}

void EfficiencyTask::run_all(std::span<const std::string> sample_ids,
                             const models::Tokenizer& tokenizer, const models::Model& model,
                             const RunSettings& settings, const SampleHooks& hooks) const {
  // Batch by batch: every sample of one decodes with all the others.
  const auto lanes = static_cast<std::size_t>(fitting(model, settings));
  for (std::size_t first = 0; first < sample_ids.size(); first += lanes) {
    if (hooks.stop_requested()) return;
    ContinuationTask::run_all(sample_ids.subspan(first, std::min(lanes, sample_ids.size() - first)),
                              tokenizer, model, settings, hooks);
  }
}

}  // namespace lethe::tasks
