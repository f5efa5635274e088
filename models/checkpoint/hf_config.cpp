// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/hf_config.h"

#include "harness/base/json.h"

namespace lethe::models {
namespace {

// transformers writes null where a value keeps its default.
bool present(ObjectReader& reader, std::string_view name) {
  const json::value* value = reader.find(name);
  return value != nullptr && !value->is_null();
}

std::int64_t integer_or(ObjectReader& reader, std::string_view name, std::int64_t fallback) {
  return present(reader, name) ? reader.integer(name) : fallback;
}

double number_or(ObjectReader& reader, std::string_view name, double fallback) {
  return present(reader, name) ? reader.number(name) : fallback;
}

bool boolean_or(ObjectReader& reader, std::string_view name, bool fallback) {
  return present(reader, name) ? reader.boolean(name, fallback) : fallback;
}

// rope_scaling (transformers 4) or rope_parameters (5): theta may stand inside, the kind must be
// the plain one.
void read_rope(ObjectReader& config, std::string_view member, double& theta) {
  if (!present(config, member)) return;
  ObjectReader rope(config.at(member), config.where(member), ErrorKind::kModel);
  theta = number_or(rope, "rope_theta", theta);
  for (const std::string_view name : {"rope_type", "type"}) {
    if (!present(rope, name)) continue;
    const std::string type = rope.string(name);
    if (type != "default") {
      throw Error(ErrorKind::kModel, rope.where(name) +
                                         ": expected \"default\" (the only rope scaling "
                                         "supported), found \"" +
                                         type + "\"");
    }
  }
  const double share = number_or(rope, "partial_rotary_factor", 1.0);
  if (share != 1.0) {
    throw Error(ErrorKind::kModel, rope.where("partial_rotary_factor") +
                                       ": expected 1 (partial rotation is not supported), found " +
                                       std::to_string(share));
  }
}

}  // namespace

ModelConfig read_hf_config(const std::filesystem::path& path) {
  const json::value parsed = read_json_file(path, ErrorKind::kModel);
  ObjectReader reader(parsed, path.string(), ErrorKind::kModel);
  ModelConfig config;
  config.architecture = reader.string("model_type");
  if (config.architecture != "llama" && config.architecture != "mistral") {
    throw Error(ErrorKind::kModel, reader.where("model_type") +
                                       ": expected a model type that is supported (\"llama\", "
                                       "\"mistral\"), found \"" +
                                       config.architecture + "\"");
  }
  if (present(reader, "quantization_config")) {
    throw Error(ErrorKind::kModel,
                reader.where("quantization_config") +
                    ": expected plain weights, found a quantised checkpoint; use the original or a "
                    "GGUF file");
  }
  if (present(reader, "hidden_act") && reader.string("hidden_act") != "silu") {
    throw Error(ErrorKind::kModel, reader.where("hidden_act") +
                                       ": expected \"silu\" (the only activation supported), "
                                       "found \"" +
                                       reader.string("hidden_act") + "\"");
  }
  config.vocab_size = reader.integer("vocab_size");
  config.hidden_size = reader.integer("hidden_size");
  config.intermediate_size = reader.integer("intermediate_size");
  config.n_layers = reader.integer("num_hidden_layers");
  config.n_heads = reader.integer("num_attention_heads");
  config.n_kv_heads = integer_or(reader, "num_key_value_heads", config.n_heads);
  config.head_dim =
      integer_or(reader, "head_dim", config.n_heads > 0 ? config.hidden_size / config.n_heads : 0);
  config.trained_length = integer_or(reader, "max_position_embeddings", 2048);
  config.rms_norm_eps = number_or(reader, "rms_norm_eps", 1e-6);
  config.rope_theta = number_or(reader, "rope_theta", 10000.0);
  read_rope(reader, "rope_scaling", config.rope_theta);
  read_rope(reader, "rope_parameters", config.rope_theta);
  // transformers' Mistral windows every layer, where its config.json names a window.
  if (config.architecture == "mistral" && present(reader, "sliding_window")) {
    config.sliding_window = reader.integer("sliding_window");
  }
  config.attention_bias = boolean_or(reader, "attention_bias", false);
  config.mlp_bias = boolean_or(reader, "mlp_bias", false);
  config.tied_embeddings = boolean_or(reader, "tie_word_embeddings", false);
  check_model_config(config, path.string());
  return config;
}

}  // namespace lethe::models
