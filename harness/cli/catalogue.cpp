// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/catalogue.h"

#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/host.h"
#include "harness/base/text.h"
#include "harness/cli/models.h"
#include "harness/cli/root.h"
#include "models/checkpoint/checkpoint.h"
#include "models/rmt/recurrent_config.h"
#include "models/tokenizer/chat_template.h"
#include "policies/positions.h"
#include "policies/schedule.h"
#include "tasks/registry.h"

namespace lethe::cli {

namespace {

/// "F32:61,Q4_1:210,Q8_0:1": how many tensors are stored how.
std::string quantisation(const models::Checkpoint& checkpoint) {
  std::map<std::string, int> counts;
  for (const auto& tensor : checkpoint.tensors()) ++counts[tensor.storage];
  std::string out;
  for (const auto& [storage, count] : counts) {
    out += (out.empty() ? "" : ",") + storage + ":" + std::to_string(count);
  }
  return out;
}

/// Bytes of one number of the cache; the scales of int8 are too few to matter here.
std::int64_t element_bytes(const grid::Setting& setting) {
  const std::string& type = setting.kv_dtype == "same" ? setting.dtype : setting.kv_dtype;
  return type == "float64" ? 8 : type == "bfloat16" ? 2 : type == "int8" ? 1 : 4;
}

// A full cache or a dense prompt of a long text is found too large in seconds, not after hours.
void check_memory(const policies::PolicyPlan& policy, const policies::Schedule& schedule,
                  const grid::Setting& setting) {
  if (setting.device_kind != "cpu") return;  // whose memory is not known before it is opened
  auto tokens = policies::most_live(policy, setting.budget, schedule, setting.length);
  if (!tokens) return;
  const std::int64_t in_window = std::min(*tokens, setting.sliding_window.value_or(*tokens));
  const std::int64_t numbers = *tokens * (setting.kv_numbers - setting.sliding_numbers) +
                               in_window * setting.sliding_numbers;
  if (setting.sliding_numbers == setting.kv_numbers) tokens = in_window;
  const std::int64_t bytes = numbers * element_bytes(setting);
  const std::int64_t memory = total_bytes();
  if (memory == 0 || bytes < memory) return;
  throw Error(ErrorKind::kConfig, "policy '" + policy.text + "' under schedule '" +
                                      schedule.text() + "' holds " + std::to_string(*tokens) +
                                      " tokens of a text of " + std::to_string(setting.length) +
                                      " at once: " + human_bytes(static_cast<double>(bytes)) +
                                      " in " + setting.dtype + ", and this machine has " +
                                      human_bytes(static_cast<double>(memory)) +
                                      "; leave the cell out (\"exclude\") or make it smaller");
}

// Beyond a table of learned positions there is nothing, and nothing to give a token anew.
void check_learned_positions(const grid::Setting& setting) {
  if (!setting.learned_positions) return;
  if (setting.length > *setting.learned_positions) {
    throw Error(ErrorKind::kConfig, "expected texts of at most " +
                                        std::to_string(*setting.learned_positions) +
                                        " tokens (the model has learned no more positions), found "
                                        "a length of " +
                                        std::to_string(setting.length) +
                                        "; leave the cell out (\"exclude\") or make it shorter");
  }
  if (setting.positions != policies::to_string(policies::Positions::kOriginal)) {
    throw Error(ErrorKind::kConfig, "positions '" + setting.positions +
                                        "' rotate keys anew; this model has learned positions, in "
                                        "its embeddings: leave the cell out (\"exclude\")");
  }
}

// A model with recurrent memory has no cache to evict from, and no other model has its memory.
void check_recurrent(const policies::PolicyPlan& policy, const grid::Setting& setting) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorKind::kConfig, "policy '" + policy.text + "': " + why);
  };
  if (!setting.memory_tokens) {
    refuse("expected a model with recurrent memory (`lethe train rmt`), found one with a cache");
  }
  if (!policy.traits.recurrent) {
    refuse(
        "the model has recurrent memory and no cache: its policies are rmt and its controls, "
        "such as rmt:memory=reset");
  }
  if (setting.budget != setting.memory_tokens) {
    refuse("expected a budget of " + std::to_string(*setting.memory_tokens) +
           ", the memory tokens of the model, found " +
           (setting.budget ? std::to_string(*setting.budget) : std::string("none")));
  }
  if (setting.dtype == "bfloat16" || setting.kv_dtype != "same") {
    refuse("recurrent memory is computed and kept in float32 or float64 (kv_dtype same), found " +
           setting.dtype + " and " + setting.kv_dtype);
  }
  if (setting.positions != policies::to_string(policies::Positions::kOriginal)) {
    refuse("positions '" + setting.positions + "': a segment knows original positions alone");
  }
}

}  // namespace

grid::ModelEntry Catalogue::model(const std::string& name) {
  const auto known = models_.find(name);
  if (known != models_.end()) return known->second;
  const auto resolved = resolve_model(name);
  const auto checkpoint = models::open_checkpoint(resolved.path);
  auto recurrent = models::read_recurrent_config(resolved.path);
  // Trained as one with memory, but without: an ordinary decoder, with a cache.
  if (recurrent && recurrent->form == models::RecurrentForm::kDecoder &&
      recurrent->memory_tokens == 0) {
    recurrent.reset();
  }
  // What nothing here computes ends here, before a plan is made of it.
  const auto require = recurrent ? models::require_encoder : models::require_supported;
  require(checkpoint->config(), checkpoint->label());
  grid::ModelEntry entry;
  entry.name = resolved.name;
  entry.path = std::filesystem::absolute(resolved.path).string();
  const auto& config = checkpoint->config();
  entry.trained_length = config.trained_length;
  check_vocabulary(*checkpoint, tokenizer(entry.path));
  const std::int64_t layer_numbers = 2 * config.n_kv_heads * config.head_dim;
  entry.kv_numbers = config.n_layers * layer_numbers;
  entry.sliding_window = config.sliding_window;
  for (std::int64_t l = 0; l < config.n_layers; ++l) {
    if (config.window_of_layer(l)) entry.sliding_numbers += layer_numbers;
  }
  if (recurrent) {
    entry.memory_tokens = recurrent->memory_tokens;
  } else if (config.positions == models::PositionKind::kLearned) {
    entry.learned_positions = config.trained_length;
  }
  entry.identity = {{"weights_sha256", resolved.weights_sha256},
                    {"tokenizer_sha256", tokenizer(entry.path).content_sha256()},
                    {"quantisation", quantisation(*checkpoint)}};
  if (recurrent) entry.identity["rmt"] = models::to_json(*recurrent);  // reports read it
  return models_.emplace(name, entry).first->second;
}

grid::PolicyEntry Catalogue::policy(const std::string& text) {
  const auto plan = policies::known_policies().resolve(text);
  return {plan.text, plan.traits.takes_budget, plan.plugin_sha256, plan.content_sha256};
}

std::string Catalogue::schedule(const std::string& text) {
  return policies::Schedule::parse(text).text();
}

std::string Catalogue::positions(const std::string& text) {
  return policies::to_string(policies::parse_positions(text));
}

void Catalogue::check(const grid::Setting& setting) {
  const auto policy = policies::known_policies().resolve(setting.policy);
  auto schedule = policies::Schedule::parse(setting.schedule);
  schedule.prompt = setting.prompt;
  const auto positions = policies::parse_positions(setting.positions);
  if (setting.generates && positions != policies::Positions::kOriginal) {
    throw Error(ErrorKind::kConfig,
                "positions '" + setting.positions + "': generation knows original positions alone");
  }
  if (setting.cuts_input && policy.text == "truncate") {
    policies::check_budget(policy, setting.budget);
    if (!schedule.needs_prompt()) {
      throw Error(ErrorKind::kConfig,
                  "policy 'truncate' cuts the input of this task and keeps all "
                  "that the model is given; schedule '" +
                      schedule.text() + "' says otherwise: use post-prompt or prefill-only");
    }
    return check_learned_positions(setting);
  }
  if (policy.traits.recurrent || setting.memory_tokens) return check_recurrent(policy, setting);
  policies::check_setting(policy, setting.budget, schedule, setting.length);
  policies::check_positions(policy, positions);
  if (setting.generates && policy.traits.reads_whole_text) {
    throw Error(ErrorKind::kConfig,
                "policy '" + policy.text +
                    "' looks at the whole text, which generation does not know in advance");
  }
  check_learned_positions(setting);
  check_memory(policy, schedule, setting);
}

grid::TaskEntry Catalogue::task(const std::string& name, const json::object& options,
                                const grid::ModelEntry& model, std::int64_t length) {
  const auto task = tasks::make_task(name, options, length, root_folder());
  if (model.memory_tokens) {
    if (!task->runs_recurrent()) {
      throw Error(ErrorKind::kConfig, "task " + name +
                                          ": it has no form for models with recurrent "
                                          "memory, such as " +
                                          model.name + "; leave the cell out (\"exclude\")");
    }
    task->check_recurrent(*models::read_recurrent_config(model.path));
  }
  grid::TaskEntry entry{
      name, task->identity(), {}, task->prompt_tokens(), task->generates(), task->cuts_input()};
  if (task->uses_chat_template()) {
    entry.chat_template_sha256 = chat_template_sha256(model.path);
  }
  if (task->uses_end_ids()) entry.end_ids = end_ids(model.path);
  for (auto& sample : task->samples(tokenizer(model.path))) {
    entry.samples.push_back({sample.id, sample.hash, sample.cluster});
  }
  return entry;
}

json::array Catalogue::end_ids(const std::string& path) {
  const auto ids = tokenizer(path).eos_ids();
  return json::array(ids.begin(), ids.end());
}

std::string Catalogue::chat_template_sha256(const std::string& path) {
  const auto known = chat_templates_.find(path);
  if (known != chat_templates_.end()) return known->second;
  const auto chat = models::open_chat_template(path);
  return chat_templates_[path] = chat ? chat->sha256() : "";
}

const models::Tokenizer& Catalogue::tokenizer(const std::string& path) {
  auto& entry = tokenizers_[path];
  if (!entry) entry = models::open_tokenizer(path);
  return *entry;
}

}  // namespace lethe::cli
