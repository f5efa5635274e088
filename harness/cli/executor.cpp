// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/executor.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/base/host.h"
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "harness/base/machine.h"
#include "harness/cli/models.h"
#include "harness/cli/root.h"
#include "models/checkpoint/checkpoint.h"
#include "policies/schedule.h"
#include "tasks/metrics/perplexity.h"
#include "tasks/registry.h"

namespace lethe::cli {

namespace {

/// 6 GiB hold the first 2,048 tokens of 25 texts for SmolLM2-135M: of every task of LongBench's
/// sample. Small machines, and several workers at once, take less.
std::int64_t prefix_bytes() {
  constexpr std::int64_t kMost = std::int64_t{6} << 30;
  return std::min(kMost, available_bytes() / 4);
}

std::string layers_json(const std::vector<models::LayerStats>& layers) {
  json::array out;
  for (const auto& layer : layers) {
    out.push_back({{"seen", layer.seen},
                   {"evicted", layer.evicted},
                   {"lost", layer.lost},
                   {"mean_lifetime", layer.mean_lifetime},
                   {"kept_min", layer.kept_min},
                   {"kept_max", layer.kept_max},
                   {"largest_position", layer.largest_position},
                   {"live_bytes", layer.live_bytes},
                   {"peak_live_bytes", layer.peak_live_bytes},
                   {"allocated_bytes", layer.allocated_bytes}});
  }
  return json::serialize(out);
}

/// Leaves the state of one sample in a file.
class FileKeeper final : public models::StateKeeper {
 public:
  FileKeeper(std::filesystem::path path, std::string owner, double seconds)
      : path_(std::move(path)),
        owner_(std::move(owner)),
        seconds_(seconds),
        last_(system_clock().steady_seconds()) {}

  std::string owner() const override { return owner_; }

  std::optional<std::string> load() override {
    std::error_code ec;
    if (!std::filesystem::exists(path_, ec)) return std::nullopt;
    try {
      return read_file(path_, ErrorKind::kData);
    } catch (const Error& error) {
      refused(error.what());
      return std::nullopt;
    }
  }

  void refused(const std::string& why) override {
    std::cerr << "begins anew: " << path_.string() << ": " << why << "\n";
  }

  bool due() override { return system_clock().steady_seconds() - last_ >= seconds_; }

  void save(const std::string& state) override {
    try {
      std::error_code ec;
      std::filesystem::create_directories(path_.parent_path(), ec);
      write_file_atomically(path_, state);
    } catch (const Error& error) {  // a full disk must not cost what has been computed
      std::cerr << "state not saved: " << error.what() << "\n";
    }
    last_ = system_clock().steady_seconds();
  }

 private:
  std::filesystem::path path_;
  std::string owner_;
  double seconds_;
  double last_;
};

store::SampleRecord make_record(const runner::JobSample& sample,
                                const tasks::SampleOutcome& outcome) {
  store::SampleRecord record;
  record.sample_key = sample.key;
  record.sample_id = sample.id;
  record.sample_hash = sample.hash;
  record.cluster = sample.cluster;
  record.tokens_in = outcome.tokens_in;
  record.tokens_cut = outcome.tokens_cut;
  record.tokens_shared = outcome.shared_tokens;
  record.bos_count = outcome.bos_count;
  const auto sum = tasks::sum_nll(outcome.nll);
  record.tokens_scored = sum.tokens;
  record.nll_sum = sum.nats;
  record.nll_trace.assign(outcome.nll.begin(), outcome.nll.end());
  for (const auto& layer : outcome.layers) {
    const bool first = &layer == &outcome.layers.front();
    record.tokens_seen = std::max(record.tokens_seen, layer.seen);
    record.tokens_evicted += layer.evicted;
    record.kept_min = first ? layer.kept_min : std::min(record.kept_min, layer.kept_min);
    record.kept_max = std::max(record.kept_max, layer.kept_max);
  }
  record.layers = layers_json(outcome.layers);
  record.kv_bytes = outcome.kv_bytes;
  record.peak_bytes = outcome.peak_kv_bytes;
  record.seconds = outcome.seconds;
  record.output = outcome.output;
  record.score = outcome.score;
  const auto computed = static_cast<double>(outcome.tokens_in - outcome.shared_tokens);
  const bool generated = outcome.new_tokens > 0;
  const double prefill = generated ? outcome.prefill_seconds : outcome.seconds;
  if (prefill > 0 && computed > 0) record.prefill_tokens_per_s = computed / prefill;
  if (generated) record.ttft_ms = 1e3 * outcome.prefill_seconds;
  // The first of them comes from the prompt.
  if (outcome.new_tokens > 1 && outcome.decode_seconds > 0) {
    record.decode_tokens_per_s =
        static_cast<double>(outcome.new_tokens - 1) / outcome.decode_seconds;
  }
  return record;
}

}  // namespace

TaskExecutor::TaskExecutor(std::string device, SharedBlobs* shared)
    : device_(std::move(device)), shared_(shared), prefixes_(prefix_bytes()) {}

void TaskExecutor::run(const runner::Job& job, runner::JobSink& sink) {
  const json::value holder(job.inputs);
  ObjectReader inputs(holder, "cell " + job.label, ErrorKind::kInternal);
  const auto& the_task = task(job);
  const auto& the_tokenizer = tokenizer(job.model_path);
  std::map<std::string, std::string> hashes;
  for (const auto& sample : the_task.samples(the_tokenizer)) hashes[sample.id] = sample.hash;

  tasks::RunSettings settings;
  settings.policy = policies::known_policies().resolve(inputs.string("policy"));
  if (inputs.string("plugin_sha256", "") != settings.policy.plugin_sha256) {
    throw Error(ErrorKind::kPolicy,
                "policy '" + settings.policy.text +
                    "': its plugin is not the one that the plan was made with; it was built anew "
                    "while the run went on: run again");
  }
  if (inputs.string("policy_content_sha256", "") != settings.policy.content_sha256) {
    throw Error(ErrorKind::kPolicy,
                "policy '" + settings.policy.text +
                    "': the file it names is not the one that the plan was made with; it changed "
                    "while the run went on: run again");
  }
  if (!inputs.at("budget").is_null()) settings.budget = inputs.integer("budget");
  settings.seed = static_cast<std::uint64_t>(inputs.integer("seed"));
  settings.evaluate.schedule = policies::Schedule::parse(inputs.string("schedule"));
  settings.evaluate.positions = policies::parse_positions(inputs.string("positions"));
  if (settings.evaluate.positions != policies::Positions::kOriginal) {
    settings.evaluate.path = models::Path::kStep;
  }
  settings.evaluate.kv_type = models::parse_kv_type(inputs.string("kv_dtype"));
  settings.evaluate.rope_angles =
      inputs.string("rope_angles") == "f64" ? models::RopeAngles::kF64 : models::RopeAngles::kHf32;
  settings.evaluate.prefixes = &prefixes_;
  settings.evaluate.progress = [&](std::int64_t tokens) { sink.progress(tokens); };
  if (the_task.uses_chat_template()) {
    settings.chat_template = chat_template(job.model_path);
    const auto found = settings.chat_template ? settings.chat_template->sha256() : "";
    if (inputs.string("chat_template_sha256", "") != found) {
      throw Error(ErrorKind::kModel,
                  job.model_path +
                      ": its chat template is not the one that the plan was made "
                      "for; it changed while the run went on: run again");
    }
  }
  ObjectReader identity(inputs.at("model"), "cell " + job.label + ": model", ErrorKind::kInternal);
  const auto weights_sha256 = identity.string("weights_sha256");
  const auto dtype = models::parse_dtype(inputs.string("dtype"));
  const bool recurrent = settings.policy.traits.recurrent;
  load(job.model_path, dtype, weights_sha256, recurrent);

  if (the_task.uses_end_ids()) {
    const auto ends = the_tokenizer.eos_ids();
    const auto* planned = inputs.find("end_ids");
    if ((planned ? *planned : json::array()) !=
        json::value(json::array(ends.begin(), ends.end()))) {
      throw Error(ErrorKind::kModel, job.model_path +
                                         ": its end tokens are not those that the plan was made "
                                         "for; they changed while the run went on: run again");
    }
  }
  std::vector<std::string> ids;
  std::map<std::string, const runner::JobSample*> samples;
  for (const auto& sample : job.samples) {
    if (hashes[sample.id] != sample.hash) {
      throw Error(ErrorKind::kData, "sample " + sample.id +
                                        " is not what the plan was made for: the text changed "
                                        "while the run was going on; run again");
    }
    ids.push_back(sample.id);
    samples[sample.id] = &sample;
  }
  std::optional<FileKeeper> keeper;
  const tasks::SampleHooks hooks{[&] { return sink.stop_requested(); },
                                 [&](const std::string& id) -> models::StateKeeper* {
                                   if (job.state_dir.empty()) return nullptr;
                                   const std::string& key = samples.at(id)->key;
                                   return &keeper.emplace(runner::state_path(job.state_dir, key),
                                                          key, job.state_seconds);
                                 },
                                 [&](const std::string& id, const tasks::SampleOutcome& outcome) {
                                   sink.sample_done(make_record(*samples.at(id), outcome));
                                 }};
  if (recurrent) {
    the_task.run_recurrent(ids, the_tokenizer, *recurrent_, settings, hooks);
  } else {
    the_task.run_all(ids, the_tokenizer, *model_, settings, hooks);
  }
}

store::ProvenanceRecord TaskExecutor::provenance() const {
  store::ProvenanceRecord record;
  record.torch_version = models::torch_version();
  record.cpu = cpu_name();
  record.device = device_;
  record.threads = models::compute_threads();
  return record;
}

void TaskExecutor::load(const std::string& path, models::DType dtype,
                        const std::string& weights_sha256, bool recurrent) {
  const std::string id = path + "\n" + models::to_string(dtype) + "\n" + weights_sha256;
  if (id == model_id_) return;
  model_.reset();  // two models at once may not fit
  recurrent_.reset();
  prefixes_.clear();
  model_id_.clear();
  if (const auto found = resolve_model(path).weights_sha256; found != weights_sha256) {
    throw Error(ErrorKind::kModel, path + " is not what the plan was made for: expected SHA-256 " +
                                       weights_sha256 + ", found " + found + "; run again");
  }
  if (recurrent) {
    recurrent_ = models::load_recurrent_model(path, dtype, device_);
  } else {
    model_ = models::load_model(*models::open_checkpoint(path), dtype, {shared_, weights_sha256},
                                {.device = device_});
  }
  model_id_ = id;
}

const models::Tokenizer& TaskExecutor::tokenizer(const std::string& path) {
  if (path != tokenizer_path_) {
    tokenizer_ = models::open_tokenizer(path);
    tokenizer_path_ = path;
  }
  return *tokenizer_;
}

const models::ChatTemplate* TaskExecutor::chat_template(const std::string& path) {
  if (path != chat_template_path_) {
    chat_template_ = models::open_chat_template(path);
    chat_template_path_ = path;
  }
  return chat_template_ ? &*chat_template_ : nullptr;
}

const tasks::Task& TaskExecutor::task(const runner::Job& job) {
  const json::value inputs_holder(job.inputs);
  ObjectReader inputs(inputs_holder, "cell " + job.label, ErrorKind::kInternal);
  ObjectReader task(inputs.at("task"), "cell " + job.label + ": task", ErrorKind::kInternal);
  const std::string name = task.string("name");
  const auto length = inputs.integer("length");
  const std::string id =
      name + "\n" + std::to_string(length) + "\n" + canonical_json(job.task_options);
  if (id != task_id_) {
    task_id_.clear();
    prefixes_.clear();
    task_ = tasks::make_task(name, job.task_options, length, root_folder());
    task_id_ = id;
  }
  return *task_;
}

}  // namespace lethe::cli
