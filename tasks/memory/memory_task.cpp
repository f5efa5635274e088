// SPDX-License-Identifier: Apache-2.0
#include "tasks/memory/memory_task.h"

#include <algorithm>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/seed.h"
#include "harness/base/spec.h"
#include "policies/rmt.h"
#include "tasks/memory/recurrent_run.h"
#include "tasks/window_options.h"

namespace lethe::tasks {
namespace {

std::vector<std::string> places() {
  return {kPlaces.begin(), kPlaces.end()};
}

std::int64_t index_of(const std::string& id) {
  const auto slash = id.find('/');
  const auto index = parse_integer(slash == std::string::npos ? "" : id.substr(slash + 1));
  if (!index) throw Error(ErrorKind::kData, "sample '" + id + "': expected SEED/INDEX");
  return *index;
}

}  // namespace

MemoryTaskOptions MemoryTaskOptions::parse(const std::string& task, const json::object& object,
                                           const std::filesystem::path& root) {
  const json::value holder(object);
  ObjectReader reader(holder, "task " + task, ErrorKind::kConfig);
  MemoryTaskOptions options;
  options.task = parse_fact_task(task);
  options.place = parse_fact_place(
      reader.string("fact", options.task == FactTask::kMemorise ? "start" : "uniform"));
  if (options.task == FactTask::kMemorise && options.place != FactPlace::kStart) {
    throw Error(ErrorKind::kConfig, reader.where("fact") +
                                        ": expected \"start\", where the fact of memorise stands, "
                                        "found \"" +
                                        to_string(options.place) + "\"; task detect has others");
  }
  options.segment =
      at_least(reader.integer("segment", options.segment), 1, reader.where("segment"));
  options.confusers = reader.number("confusers", options.confusers);
  options.noise = NoiseSource::read(reader, root);
  options.samples =
      at_least(reader.integer("samples", options.samples), 1, reader.where("samples"));
  options.seed = at_least(reader.integer("seed", 0), 0, reader.where("seed"));
  options.lanes = at_least(reader.integer("lanes", options.lanes), 1, reader.where("lanes"));
  reader.finish();
  return options;
}

MemoryTask::MemoryTask(MemoryTaskOptions options, std::int64_t length)
    : options_(std::move(options)), segments_(length / options_.segment) {
  const std::string name = "task " + to_string(options_.task);
  if (segments_ < 1 || length % options_.segment != 0) {
    const std::int64_t near = std::max<std::int64_t>(1, segments_) * options_.segment;
    throw Error(ErrorKind::kConfig, name + ": expected a length of whole segments of " +
                                        std::to_string(options_.segment) + " tokens, found " +
                                        std::to_string(length) + "; the nearest is " +
                                        std::to_string(near));
  }
  if (segments_ > kMostSegments) {
    throw Error(ErrorKind::kConfig, name + ": expected at most " + std::to_string(kMostSegments) +
                                        " segments, found " + std::to_string(segments_) +
                                        " (a length of " + std::to_string(length) + ")");
  }
  books_ = options_.noise.hashes();
}

json::object MemoryTask::identity() const {
  json::object out{{"version", kVersion},          {"fact", to_string(options_.place)},
                   {"segment", options_.segment},  {"confusers", options_.confusers},
                   {"noise", options_.noise.kind}, {"samples", options_.samples},
                   {"seed", options_.seed},        {"lanes", options_.lanes}};
  if (!books_.empty()) out["books"] = books_;
  if (options_.noise.kind == "document") {
    out["document_tokens"] = options_.noise.document_tokens;
  }
  return out;
}

std::string MemoryTask::id_of(std::int64_t index) const {
  return std::to_string(options_.seed) + "/" + std::to_string(index);
}

const FactGenerator& MemoryTask::generator(const models::Tokenizer& tokenizer) const {
  const std::scoped_lock lock(mutex_);
  const std::string sha256 = tokenizer.content_sha256();
  if (!generator_ || sha256 != tokenizer_sha256_) {
    NoiseFactory noise(options_.noise, tokenizer,
                       FactGenerator::confuser_ids(options_.task, tokenizer));
    generator_ = std::make_unique<const FactGenerator>(
        FactOptions{options_.task, options_.place, options_.segment, {}}, tokenizer,
        noise.make(options_.confusers));
    tokenizer_sha256_ = sha256;
  }
  return *generator_;
}

FactSample MemoryTask::sample(const std::string& id, const models::Tokenizer& tokenizer) const {
  // "test/…": no training or validation sample has a seed of this form.
  const auto seed = derive_seed(static_cast<std::uint64_t>(options_.seed),
                                "test/" + std::to_string(index_of(id)));
  return generator(tokenizer).sample(seed, segments_);
}

std::vector<SampleInfo> MemoryTask::samples(const models::Tokenizer& tokenizer) const {
  std::vector<SampleInfo> samples;
  const std::string of = canonical_json(identity()) + "/" + to_string(options_.task) + "/" +
                         std::to_string(segments_) + "/" + tokenizer.content_sha256() + "/";
  for (std::int64_t i = 0; i < options_.samples; ++i) {
    // Its text is a function of these; two million tokens are not hashed for every plan.
    const std::string id = id_of(i);
    samples.push_back({id, sha256_hex(of + id), id});
  }
  return samples;
}

void MemoryTask::check_recurrent(const models::RecurrentConfig& config) const {
  if (options_.segment > config.segment_tokens) {
    throw Error(ErrorKind::kConfig, "task " + to_string(options_.task) +
                                        ": expected segments of at most " +
                                        std::to_string(config.segment_tokens) +
                                        " text tokens, which the checkpoint has, found " +
                                        std::to_string(options_.segment));
  }
  if (config.labels != places()) {
    throw Error(ErrorKind::kModel, "task " + to_string(options_.task) +
                                       ": expected a checkpoint whose classes are the six places, "
                                       "found one with " +
                                       std::to_string(config.labels.size()) + " other classes");
  }
}

void MemoryTask::run_recurrent(std::span<const std::string> sample_ids,
                               const models::Tokenizer& tokenizer,
                               const models::RecurrentModel& model, const RunSettings& settings,
                               const SampleHooks& hooks) const {
  if (options_.samples < 2 &&
      policies::memory_use(settings.policy) == policies::MemoryUse::kShuffled) {
    throw Error(ErrorKind::kConfig,
                "policy '" + settings.policy.text +
                    "' needs another sample, whose memory it takes: expected at least 2 samples, "
                    "found 1");
  }
  std::vector<RecurrentSample> batch;
  const RecurrentRun run(model, settings);
  for (std::size_t begin = 0; begin < sample_ids.size() && !hooks.stop_requested();) {
    const std::size_t count =
        std::min(static_cast<std::size_t>(options_.lanes), sample_ids.size() - begin);
    batch.clear();
    for (const std::string& id : sample_ids.subspan(begin, count)) {
      const std::string other = id_of((index_of(id) + 1) % options_.samples);
      batch.push_back({id, std::make_shared<FactSample>(sample(id, tokenizer)),
                       std::make_shared<FactSample>(sample(other, tokenizer))});
    }
    run.samples(batch, hooks);
    begin += count;
  }
}

// The decoder reads the sample and the beginning of an answer, and is asked which place it expects.
SampleOutcome MemoryTask::run(const std::string& sample_id, const models::Tokenizer& tokenizer,
                              const models::Model& model, const RunSettings& settings) const {
  const FactSample text = sample(sample_id, tokenizer);
  const auto segment = static_cast<std::size_t>(options_.segment);
  std::vector<std::int64_t> tokens(segment * static_cast<std::size_t>(segments_));
  for (std::int64_t s = 0; s < segments_; ++s) {
    text.fill(s, std::span(tokens).subspan(static_cast<std::size_t>(s) * segment, segment));
  }
  const bool bos = tokenizer.adds_bos() && tokenizer.bos_id();
  if (bos) tokens.insert(tokens.begin(), *tokenizer.bos_id());
  tokens.insert(tokens.end(), text.cue().begin(), text.cue().end());
  models::EvaluateOptions options = settings.evaluate;
  options.budget = settings.budget;
  options.seed = settings.seed;
  const auto count = static_cast<std::int64_t>(tokens.size());
  options.score_from = count - 2;
  options.logit_rows = {count - 1};
  const auto result = model.evaluate(tokens, settings.policy, options);
  std::vector<double> logits;
  for (const std::string_view place : kPlaces) {
    const auto id = word_ids(tokenizer, std::string(place)).front();
    logits.push_back(result.logits.front()[static_cast<std::size_t>(id)]);
  }
  SampleOutcome outcome = judged(text, places(), logits);
  outcome.tokens_in = count;
  outcome.bos_count = bos ? 1 : 0;
  outcome.layers = result.layers;
  outcome.kv_bytes = result.kv_bytes;
  outcome.peak_kv_bytes = result.peak_kv_bytes;
  outcome.shared_tokens = result.shared_tokens;
  outcome.seconds = result.seconds;
  return outcome;
}

std::optional<double> MemoryTask::rescore(const std::string& output) {
  const json::value value = parse_json(output, "output", ErrorKind::kData);
  ObjectReader reader(value, "output", ErrorKind::kData);
  return reader.string("answer") == reader.string("predicted") ? 1.0 : 0.0;
}

}  // namespace lethe::tasks
