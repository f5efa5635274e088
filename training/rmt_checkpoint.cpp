// SPDX-License-Identifier: Apache-2.0
#include "training/rmt_checkpoint.h"

#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "models/checkpoint/hf_config.h"
#include "models/tokenizer/tokenizer.h"
#include "tasks/memory/sequence_tasks.h"

namespace lethe::training {
namespace {

// config.json of the encoder in the terms of Hugging Face's BERT, with the members that are ours.
json::object encoder_json(const models::ModelConfig& config) {
  return {{"model_type", "bert"},
          {"architectures", json::array{"BertForSequenceClassification"}},
          {"vocab_size", config.vocab_size},
          {"hidden_size", config.hidden_size},
          {"num_hidden_layers", config.n_layers},
          {"num_attention_heads", config.n_heads},
          {"intermediate_size", config.intermediate_size},
          {"max_position_embeddings", config.trained_length},
          {"type_vocab_size", config.token_types},
          {"hidden_act", models::to_string(config.activation)},
          {"layer_norm_eps", config.norm_eps},
          {"lethe_relative_clip", config.relative_clip},
          {"lethe_norm_before", config.norm_place == models::NormPlace::kBefore}};
}

// As it will be read from the checkpoint, so that a run and what it leaves cannot differ.
models::ModelConfig read_back(const RmtRecipe& recipe, const json::object& config) {
  return models::parse_hf_config(json::serialize(config), "recipe " + recipe.name + ": model");
}

models::ModelConfig new_encoder(const RmtRecipe& recipe, std::int64_t vocab_size) {
  const RmtModelRecipe& model = recipe.model;
  models::ModelConfig config;
  config.vocab_size = vocab_size;
  config.hidden_size = model.hidden;
  config.intermediate_size = model.intermediate;
  config.n_layers = model.layers;
  config.n_heads = model.heads;
  config.trained_length = model.positions;
  config.norm_place = model.norm_before ? models::NormPlace::kBefore : models::NormPlace::kAfter;
  config.norm_eps = 1e-12;
  config.relative_clip = model.relative_clip;
  config.activation = models::Activation::kGelu;
  config.token_types = 1;
  return read_back(recipe, encoder_json(config));
}

// config.json of a decoder in the terms of its family.
json::object decoder_json(const RmtModelRecipe& model, std::int64_t vocab_size) {
  if (model.architecture == "llama") {
    return {{"model_type", "llama"},
            {"architectures", json::array{"LlamaForCausalLM"}},
            {"vocab_size", vocab_size},
            {"hidden_size", model.hidden},
            {"num_hidden_layers", model.layers},
            {"num_attention_heads", model.heads},
            {"num_key_value_heads", model.kv_heads},
            {"intermediate_size", model.intermediate},
            {"max_position_embeddings", model.positions},
            {"hidden_act", "silu"},
            {"rms_norm_eps", 1e-5},
            {"rope_theta", 10000.0},
            {"tie_word_embeddings", false}};
  }
  return {{"model_type", "gpt2"},
          {"architectures", json::array{"GPT2LMHeadModel"}},
          {"vocab_size", vocab_size},
          {"n_embd", model.hidden},
          {"n_layer", model.layers},
          {"n_head", model.heads},
          {"n_inner", model.intermediate},
          {"n_positions", model.positions},
          {"activation_function", "gelu_new"},
          {"layer_norm_epsilon", 1e-5},
          {"tie_word_embeddings", false}};
}

json::array json_of(const std::vector<std::string>& texts) {
  return json::array(texts.begin(), texts.end());
}

std::unique_ptr<models::RecurrentDecoderLayout> decoder_layout(const RmtRecipe& recipe) {
  const tasks::SequenceGenerator generator(*recipe.sequence);
  const auto vocab_size = std::ssize(generator.vocabulary());
  models::RecurrentConfig rmt;
  rmt.form = models::RecurrentForm::kDecoder;
  rmt.mask = recipe.model.mask;
  rmt.memory_tokens = recipe.model.memory;
  for (const RmtStage& stage : recipe.stages) {
    for (const RmtBatch& batch : stage.batches) {
      tasks::SequenceOptions options = *recipe.sequence;
      if (batch.size > 0) options.size = batch.size;
      const std::int64_t tokens = tasks::SequenceGenerator(options).segment_tokens(batch.segments);
      rmt.segment_tokens = std::max(rmt.segment_tokens, tokens);
    }
  }
  return std::make_unique<models::RecurrentDecoderLayout>(
      read_back(recipe, decoder_json(recipe.model, vocab_size)), std::move(rmt));
}

// What `lethe_rmt` tells of the training.
json::object training_json(const RmtRecipe& recipe, const RmtTrainOptions& options,
                           const RmtReached& reached) {
  std::int64_t segments = 0;
  double confusers = 0;
  for (std::int64_t s = 0;
       s < std::min<std::int64_t>(reached.stages + 1, std::ssize(recipe.stages)); ++s) {
    for (const RmtBatch& batch : recipe.stages[static_cast<std::size_t>(s)].batches) {
      segments = std::max(segments, batch.segments);
      confusers = std::max(confusers, batch.confusers);
    }
  }
  json::object training{{"task", recipe.task_name()}};
  if (recipe.sequence) {
    training["size"] = recipe.sequence->size;
    training["vocabulary"] = json_of(tasks::SequenceGenerator(*recipe.sequence).vocabulary());
  } else {
    training["place"] = tasks::to_string(recipe.place);
  }
  training["recipe"] = recipe.name;
  training["seed"] = options.seed;
  training["trained_segments"] = segments;
  if (!recipe.sequence) training["trained_confusers"] = confusers;
  training["steps"] = reached.steps;
  return training;
}

// tokenizer.json of recall's words, so that a grid can run the decoder as any other.
std::string word_tokenizer(const std::vector<std::string>& vocabulary) {
  json::object ids;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) ids[vocabulary[i]] = i;
  return json::serialize(json::object{
             {"version", "1.0"},
             {"added_tokens", json::array{}},
             {"normalizer", nullptr},
             {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
             {"post_processor", nullptr},
             {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", false}}},
             {"model",
              {{"type", "WordPiece"},
               {"unk_token", vocabulary.front()},
               {"continuing_subword_prefix", "##"},
               {"max_input_chars_per_word", 100},
               {"vocab", ids}}}}) +
         "\n";
}

// Ids beyond the table of embeddings would be found in the middle of a run.
void require_vocabulary(const models::ModelConfig& config, const models::Tokenizer& tokenizer,
                        const std::filesystem::path& folder) {
  if (tokenizer.vocab_size() <= config.vocab_size) return;
  throw Error(ErrorKind::kModel,
              "vocabulary mismatch: " + folder.string() + ": the tokenizer has " +
                  std::to_string(tokenizer.vocab_size()) + " ids, the encoder embeddings of " +
                  std::to_string(config.vocab_size));
}

}  // namespace

const models::FlatLayout& RmtStart::flat_layout() const {
  if (decoder) return *decoder;
  return *layout;
}

RmtStart rmt_start(const RmtRecipe& recipe, const RmtTrainOptions& options) {
  RmtStart start;
  if (recipe.sequence) {
    if (!recipe.model.backbone.empty()) {
      throw Error(ErrorKind::kConfig,
                  "recipe " + recipe.name + ": task '" + recipe.task_name() +
                      "' has a vocabulary of its own: expected no backbone, found " +
                      recipe.model.backbone);
    }
    start.decoder = decoder_layout(recipe);
    return start;
  }
  const RmtModelRecipe& model = recipe.model;
  start.tokenizer =
      model.backbone.empty() ? options.vocabulary : std::filesystem::path(model.backbone);
  const auto tokenizer = models::open_tokenizer(start.tokenizer);
  models::ModelConfig config;
  if (model.backbone.empty()) {
    config = new_encoder(recipe, tokenizer->vocab_size());
  } else {
    start.backbone = models::open_checkpoint(model.backbone);
    config = start.backbone->config();
    models::require_encoder(config, start.backbone->label());
    require_vocabulary(config, *tokenizer, start.tokenizer);
  }
  const auto around = tokenizer->encode_with_special("", std::nullopt, false).ids;
  if (around.size() != 2) {
    throw Error(ErrorKind::kModel, start.tokenizer.string() +
                                       ": expected a tokenizer that puts [CLS] and [SEP] around a "
                                       "text, found one that adds " +
                                       std::to_string(around.size()) + " tokens");
  }
  models::RecurrentConfig rmt;
  rmt.memory_tokens = model.memory;
  rmt.segment_tokens = model.segment;
  rmt.cls_id = around[0];
  rmt.sep_id = around[1];
  rmt.labels.assign(tasks::kPlaces.begin(), tasks::kPlaces.end());
  require_fitting(config, rmt, ErrorKind::kConfig);
  start.layout = std::make_unique<models::RecurrentLayout>(config, std::move(rmt));
  return start;
}

json::object rmt_run_inputs(const RmtRecipe& recipe, const RmtTrainOptions& options) {
  const std::filesystem::path source = recipe.model.backbone.empty()
                                           ? options.vocabulary
                                           : std::filesystem::path(recipe.model.backbone);
  json::array files;
  for (const char* name : {"tokenizer.json", "model.safetensors"}) {
    if (!recipe.sequence && std::filesystem::exists(source / name))
      files.push_back(json::string(sha256_file(source / name)));
  }
  json::object inputs{{"recipe", recipe.text}, {"files", files}};
  if (auto books = recipe.noise.hashes(); !books.empty()) inputs["books"] = std::move(books);
  return inputs;
}

std::string rmt_run_key(const RmtRecipe& recipe, const RmtTrainOptions& options) {
  json::object inputs = rmt_run_inputs(recipe, options);
  inputs["kind"] = "rmt";
  inputs["seed"] = options.seed;
  return sha256_hex(canonical_json(inputs));
}

bool is_trained(const RmtRecipe& recipe, const RmtTrainOptions& options) {
  const auto file = options.out / "provenance.json", model = options.out / "model.safetensors";
  if (!std::filesystem::is_regular_file(file) || !std::filesystem::is_regular_file(model)) {
    return false;
  }
  for (const RmtStage& stage : recipe.stages) {
    const auto kept = options.out / "stages" / stage.name / "model.safetensors";
    if (options.keep_stages && !std::filesystem::is_regular_file(kept)) return false;
  }
  const json::value value = read_json_file(file, ErrorKind::kData);
  if (!value.is_object()) return false;
  const auto* key = value.get_object().if_contains("run_key");
  if (!key || *key != json::value(rmt_run_key(recipe, options))) return false;
  // Files are written one after the other: a run of another seed that was killed in between leaves
  // its model beside this provenance. (Provenance of earlier builds has no hash.)
  const auto* hash = value.get_object().if_contains("model_sha256");
  return !hash || *hash == json::value(sha256_file(model));
}

void require_free(const RmtRecipe& recipe, const RmtTrainOptions& options) {
  const auto file = options.out / "provenance.json";
  if (!std::filesystem::is_regular_file(file)) return;
  const json::value value = read_json_file(file, ErrorKind::kData);
  const auto* object = value.if_object();
  const auto* key = object ? object->if_contains("run_key") : nullptr;
  if (key && *key == json::value(rmt_run_key(recipe, options))) return;
  const auto* other = object ? object->if_contains("recipe") : nullptr;
  const auto* name =
      other && other->is_object() ? other->get_object().if_contains("name") : nullptr;
  const auto* seed = object ? object->if_contains("seed") : nullptr;
  throw Error(ErrorKind::kConfig,
              options.out.string() + ": expected a new folder or one of recipe " + recipe.name +
                  ", seed " + std::to_string(options.seed) + ", found a finished run of recipe " +
                  (name ? canonical_json(*name) : "unknown") + ", seed " +
                  (seed ? canonical_json(*seed) : "unknown") +
                  " (or of other settings); give another --out, or delete it");
}

void write_rmt_checkpoint(const std::filesystem::path& folder, const RmtRecipe& recipe,
                          const RmtTrainOptions& options, const RmtStart& start,
                          const at::Tensor& flat, const RmtReached& reached) {
  std::error_code ec;
  std::filesystem::create_directories(folder, ec);
  const models::FlatLayout& layout = start.flat_layout();
  models::RecurrentConfig rmt = layout.recurrent();
  rmt.training = training_json(recipe, options, reached);
  json::object config = start.decoder ? decoder_json(recipe.model, layout.config().vocab_size)
                                      : encoder_json(layout.config());
  config["lethe_rmt"] = to_json(rmt);
  json::object provenance = options.provenance;
  provenance["recipe"] = recipe.text;
  provenance["seed"] = options.seed;
  provenance["run_key"] = reached.key;
  provenance["steps"] = reached.steps;
  provenance["seconds"] = reached.seconds;
  provenance["parameters"] = layout.size();
  const std::string model = layout.safetensors(flat);
  provenance["model_sha256"] = sha256_hex(model);
  provenance["validation_accuracy"] =
      json::array(reached.validation.begin(), reached.validation.end());
  write_file_atomically(folder / "model.safetensors", model);
  if (!start.tokenizer.empty()) {
    write_file_atomically(folder / "tokenizer.json",
                          read_file(start.tokenizer / "tokenizer.json", ErrorKind::kModel));
  } else if (recipe.sequence->task == tasks::SequenceTask::kRecall) {
    const tasks::SequenceGenerator generator(*recipe.sequence);
    write_file_atomically(folder / "tokenizer.json", word_tokenizer(generator.vocabulary()));
  }
  write_file_atomically(folder / "config.json", json::serialize(config) + "\n");
  write_file_atomically(folder / "provenance.json", json::serialize(provenance) + "\n");
}

}  // namespace lethe::training
