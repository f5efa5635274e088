// SPDX-License-Identifier: Apache-2.0
// What the readers of config.json share: members that may be null, rotary embedding in both
// spellings, attention types of layers. One reader function a family.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/base/json.h"
#include "models/checkpoint/model_config.h"

namespace lethe::models::detail {

/// Members of a JSON object. transformers writes null where a value keeps its default.
class ConfigReader {
 public:
  ConfigReader(const json::value& value, std::string where)
      : reader_(value, std::move(where), ErrorKind::kModel) {}

  bool has(std::string_view name) const { return reader_.has(name); }
  /// Whether the member is there and not null.
  bool present(std::string_view name);
  const json::value& at(std::string_view name) { return reader_.at(name); }
  std::string text(std::string_view name) { return reader_.string(name); }
  std::int64_t integer(std::string_view name) { return reader_.integer(name); }
  double number(std::string_view name) { return reader_.number(name); }
  std::int64_t integer_or(std::string_view name, std::int64_t fallback);
  double number_or(std::string_view name, double fallback);
  bool boolean_or(std::string_view name, bool fallback);
  std::string text_or(std::string_view name, std::string_view fallback);
  std::optional<std::int64_t> find_integer(std::string_view name);
  std::optional<double> find_number(std::string_view name);
  std::string where(std::string_view name) const { return reader_.where(name); }
  [[noreturn]] void fail(std::string_view name, const std::string& message) const;

 private:
  ObjectReader reader_;
};

/// vocab_size, hidden_size, num_hidden_layers, num_attention_heads, tie_word_embeddings.
void read_common_sizes(ConfigReader& reader, ModelConfig& config, bool tied_by_default);

/// Head dimension where no member names it. Throws when the heads do not divide the hidden size.
std::int64_t equal_heads(const ModelConfig& config, std::string_view where);

/// Member `name`, or `fallback` where it is absent, in the spelling of transformers ("gelu_new").
Activation read_activation(ConfigReader& reader, std::string_view name, std::string_view fallback);

/// Defaults of a family for rotary embedding, and its old names of the members.
struct RopeDefaults {
  double theta = 10000.0;
  double partial_rotary = 1.0;
  std::string_view theta_name = "rope_theta";
  std::string_view partial_name = "partial_rotary_factor";
};

/// rope_theta and rope_scaling (transformers 4) or rope_parameters (5). `config` has its
/// trained_length.
void read_rope(ConfigReader& reader, ModelConfig& config, const RopeDefaults& defaults = {});

/// Which layers have the window: by layer_types ("sliding_attention", "full_attention") where the
/// file has it, else `slides`, one a layer; the window goes where none has it. `config` has its
/// n_layers and sliding_window.
void read_layer_types(ConfigReader& reader, ModelConfig& config, std::vector<bool> slides);

/// `slides(layer)` of every layer; none for a number of layers that is refused later anyway.
template <typename Slides>
std::vector<bool> layers_where(const ModelConfig& config, Slides&& slides) {
  std::vector<bool> layers;
  if (config.n_layers > kMostLayers) return layers;
  for (std::int64_t i = 0; i < config.n_layers; ++i) layers.push_back(slides(i));
  return layers;
}

// Families with rotary embedding and RMS norms.
void read_llama(ConfigReader& reader, ModelConfig& config);
void read_mistral(ConfigReader& reader, ModelConfig& config);
void read_qwen2(ConfigReader& reader, ModelConfig& config);
void read_qwen3(ConfigReader& reader, ModelConfig& config);
void read_phi3(ConfigReader& reader, ModelConfig& config);
void read_gemma2(ConfigReader& reader, ModelConfig& config);

// Families with layer norms.
void read_gpt2(ConfigReader& reader, ModelConfig& config);
void read_gpt_neox(ConfigReader& reader, ModelConfig& config);
void read_opt(ConfigReader& reader, ModelConfig& config);
void read_bert(ConfigReader& reader, ModelConfig& config);

}  // namespace lethe::models::detail
