// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/hf_config_reader.h"

#include <algorithm>
#include <array>

#include "harness/base/error.h"

namespace lethe::models::detail {
namespace {

struct ActivationName {
  std::string_view name;
  Activation activation;
};

constexpr std::array<ActivationName, 7> kActivations = {{
    {"silu", Activation::kSilu},
    {"swish", Activation::kSilu},
    {"gelu", Activation::kGelu},
    {"gelu_new", Activation::kGeluTanh},
    {"gelu_fast", Activation::kGeluTanh},
    {"gelu_pytorch_tanh", Activation::kGeluTanh},
    {"relu", Activation::kRelu},
}};

RopeKind rope_kind_of(ConfigReader& rope) {
  // "type" is what the first scaled models wrote; transformers prefers the newer name.
  const std::string_view name = rope.present("rope_type") ? "rope_type" : "type";
  const std::string kind = rope.text_or(name, "default");
  if (kind == "default") return RopeKind::kPlain;
  if (kind == "linear") return RopeKind::kLinear;
  if (kind == "dynamic") return RopeKind::kDynamic;
  if (kind == "llama3") return RopeKind::kLlama3;
  if (kind == "yarn") return RopeKind::kYarn;
  rope.fail(name,
            "expected \"default\", \"linear\", \"dynamic\", \"llama3\" or \"yarn\", found \"" +
                kind + "\"");
}

// transformers takes a zero for "not given" here.
double beta(ConfigReader& rope, std::string_view name, double fallback) {
  const double value = rope.number_or(name, fallback);
  return value == 0.0 ? fallback : value;
}

RopeScaling read_scaling(ConfigReader& rope, ConfigReader& model, std::int64_t trained_length) {
  RopeScaling scaling;
  scaling.kind = rope_kind_of(rope);
  if (scaling.kind == RopeKind::kPlain) return scaling;
  scaling.original_length = trained_length;
  if (scaling.kind == RopeKind::kLlama3 || scaling.kind == RopeKind::kYarn) {
    constexpr std::string_view kOriginal = "original_max_position_embeddings";
    scaling.original_length =
        model.integer_or(kOriginal, rope.integer_or(kOriginal, trained_length));
  }
  if (scaling.kind == RopeKind::kYarn && !rope.present("factor")) {
    scaling.factor =
        static_cast<double>(trained_length) / static_cast<double>(scaling.original_length);
  } else {
    scaling.factor = rope.number("factor");
  }
  if (scaling.kind == RopeKind::kLlama3) {
    scaling.low_freq_factor = rope.number("low_freq_factor");
    scaling.high_freq_factor = rope.number("high_freq_factor");
  }
  if (scaling.kind == RopeKind::kYarn) {
    scaling.attention_factor = rope.find_number("attention_factor");
    scaling.beta_fast = beta(rope, "beta_fast", scaling.beta_fast);
    scaling.beta_slow = beta(rope, "beta_slow", scaling.beta_slow);
    scaling.mscale = rope.find_number("mscale");
    scaling.mscale_all_dim = rope.find_number("mscale_all_dim");
    scaling.truncate = rope.boolean_or("truncate", true);
  }
  return scaling;
}

}  // namespace

bool ConfigReader::present(std::string_view name) {
  const json::value* value = reader_.find(name);
  return value != nullptr && !value->is_null();
}

std::int64_t ConfigReader::integer_or(std::string_view name, std::int64_t fallback) {
  return present(name) ? reader_.integer(name) : fallback;
}

double ConfigReader::number_or(std::string_view name, double fallback) {
  return present(name) ? reader_.number(name) : fallback;
}

bool ConfigReader::boolean_or(std::string_view name, bool fallback) {
  return present(name) ? reader_.boolean(name, fallback) : fallback;
}

std::string ConfigReader::text_or(std::string_view name, std::string_view fallback) {
  return present(name) ? reader_.string(name) : std::string(fallback);
}

std::optional<std::int64_t> ConfigReader::find_integer(std::string_view name) {
  return present(name) ? std::optional(reader_.integer(name)) : std::nullopt;
}

std::optional<double> ConfigReader::find_number(std::string_view name) {
  return present(name) ? std::optional(reader_.number(name)) : std::nullopt;
}

void ConfigReader::fail(std::string_view name, const std::string& message) const {
  throw Error(ErrorKind::kModel, where(name) + ": " + message);
}

void read_common_sizes(ConfigReader& reader, ModelConfig& config, bool tied_by_default) {
  config.vocab_size = reader.integer("vocab_size");
  config.hidden_size = reader.integer("hidden_size");
  config.n_layers = reader.integer("num_hidden_layers");
  config.n_heads = reader.integer("num_attention_heads");
  config.n_kv_heads = config.n_heads;
  config.tied_embeddings = reader.boolean_or("tie_word_embeddings", tied_by_default);
}

std::int64_t equal_heads(const ModelConfig& config, std::string_view where) {
  if (config.n_heads < 1 || config.hidden_size % config.n_heads != 0) {
    throw Error(ErrorKind::kModel,
                std::string(where) +
                    ": expected a hidden size that is a multiple of the attention heads, found " +
                    std::to_string(config.hidden_size) + " and " + std::to_string(config.n_heads));
  }
  return config.hidden_size / config.n_heads;
}

Activation read_activation(ConfigReader& reader, std::string_view name, std::string_view fallback) {
  const std::string text = reader.text_or(name, fallback);
  const auto found = std::ranges::find(kActivations, text, &ActivationName::name);
  if (found != kActivations.end()) return found->activation;
  std::string known;
  for (const ActivationName& entry : kActivations) {
    known += (known.empty() ? "\"" : ", \"") + std::string(entry.name) + "\"";
  }
  reader.fail(name, "expected an activation that is known (" + known + "), found \"" + text + "\"");
}

void read_rope(ConfigReader& reader, ModelConfig& config, const RopeDefaults& defaults) {
  config.rope_theta = reader.number_or(defaults.theta_name, defaults.theta);
  config.partial_rotary = reader.number_or(defaults.partial_name, defaults.partial_rotary);
  // A file that went through both versions may have both objects; transformers 5 then takes the
  // scaling from the old one.
  bool scaled = false;
  for (const std::string_view member : {"rope_scaling", "rope_parameters"}) {
    if (!reader.present(member)) continue;
    ConfigReader rope(reader.at(member), reader.where(member));
    config.rope_theta = rope.number_or("rope_theta", config.rope_theta);
    config.partial_rotary = rope.number_or("partial_rotary_factor", config.partial_rotary);
    if (rope.present("full_attention") || rope.present("sliding_attention")) {
      reader.fail(member,
                  "expected one rotary embedding for all layers, found one for each type "
                  "of layer, which is not supported");
    }
    if (!scaled) config.rope = read_scaling(rope, reader, config.trained_length);
    scaled = true;
  }
}

void read_layer_types(ConfigReader& reader, ModelConfig& config, std::vector<bool> slides) {
  if (reader.present("layer_types")) {
    slides.clear();
    const json::value& types = reader.at("layer_types");
    if (!types.is_array()) reader.fail("layer_types", "expected an array, found something else");
    for (const json::value& type : types.get_array()) {
      const bool known = type == "sliding_attention" || type == "full_attention";
      if (!known) {
        reader.fail("layer_types", "expected \"sliding_attention\" or \"full_attention\", found " +
                                       json::serialize(type));
      }
      slides.push_back(type == "sliding_attention");
    }
  }
  const auto sliding = std::ranges::count(slides, true);
  if (!config.sliding_window) {
    if (sliding != 0) {
      reader.fail("layer_types", "expected no sliding layers where sliding_window is null, found " +
                                     std::to_string(sliding));
    }
    return;
  }
  if (sliding == 0) {
    config.sliding_window.reset();
  } else if (sliding != std::ssize(slides) || std::ssize(slides) != config.n_layers) {
    config.sliding_layers = std::move(slides);
  }
}

}  // namespace lethe::models::detail
