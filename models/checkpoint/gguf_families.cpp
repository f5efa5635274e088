// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/gguf_families.h"

#include <algorithm>
#include <array>

namespace lethe::models {
namespace {

using enum GgufLayout;

constexpr GgufName kLlamaModel[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
};
constexpr GgufName kLlamaLayer[] = {
    {"attn_norm", "input_layernorm"},
    {"attn_q", "self_attn.q_proj", kInterleavedQ},
    {"attn_k", "self_attn.k_proj", kInterleavedK},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};
constexpr GgufName kQwenLayer[] = {
    {"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
    {"attn_q_norm", "self_attn.q_norm"}, {"attn_k_norm", "self_attn.k_norm"},
    {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};
constexpr GgufName kPhi3Layer[] = {
    {"attn_norm", "input_layernorm"},    {"attn_qkv", "self_attn.qkv_proj"},
    {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_up", "mlp.gate_up_proj"},      {"ffn_down", "mlp.down_proj"},
};
constexpr GgufName kGemma2Model[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm", kPlusOne},
};
constexpr GgufName kGemma2Layer[] = {
    {"attn_norm", "input_layernorm", kPlusOne},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"post_attention_norm", "post_attention_layernorm", kPlusOne},
    {"ffn_norm", "pre_feedforward_layernorm", kPlusOne},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
    {"post_ffw_norm", "post_feedforward_layernorm", kPlusOne},
};
constexpr GgufName kGpt2Model[] = {
    {"token_embd", "transformer.wte"},
    {"position_embd", "transformer.wpe"},
    {"output_norm", "transformer.ln_f"},
    {"output", "lm_head"},
};
constexpr GgufName kGpt2Layer[] = {
    {"attn_norm", "ln_1"},
    {"attn_qkv", "attn.c_attn", kTransposed},
    {"attn_output", "attn.c_proj", kTransposed},
    {"ffn_norm", "ln_2"},
    {"ffn_up", "mlp.c_fc", kTransposed},
    {"ffn_down", "mlp.c_proj", kTransposed},
};
constexpr GgufName kGptNeoxModel[] = {
    {"token_embd", "gpt_neox.embed_in"},
    {"output_norm", "gpt_neox.final_layer_norm"},
    {"output", "embed_out"},
};
constexpr GgufName kGptNeoxLayer[] = {
    {"attn_norm", "input_layernorm"},   {"attn_qkv", "attention.query_key_value", kApart},
    {"attn_output", "attention.dense"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_up", "mlp.dense_h_to_4h"},    {"ffn_down", "mlp.dense_4h_to_h"},
};

bool has_bias(const GgufKeys& keys, const std::string& module) {
  return keys.file().find_tensor("blk.0." + module + ".bias") != nullptr;
}

void read_llama(const GgufKeys& keys, ModelConfig& config) {
  config.attention_bias = has_bias(keys, "attn_q");
  config.attention_out_bias = has_bias(keys, "attn_output");
  config.mlp_bias = has_bias(keys, "ffn_gate");
}

void read_qwen3(const GgufKeys& keys, ModelConfig& config) {
  read_llama(keys, config);
  config.qk_norm = true;
}

void read_phi3(const GgufKeys& keys, ModelConfig& config) {
  // The converter writes 0 where config.json has null.
  const auto window = keys.find_integer("attention.sliding_window").value_or(0);
  if (window != 0) config.sliding_window = window;
}

void read_gemma2(const GgufKeys& keys, ModelConfig& config) {
  config.norm = NormKind::kRmsPlusOne;
  config.norm_place = NormPlace::kAround;
  config.activation = Activation::kGeluTanh;
  config.scaled_embeddings = true;
  config.attention_softcap = keys.find_number("attn_logit_softcapping").value_or(50.0);
  config.final_softcap = keys.find_number("final_logit_softcapping").value_or(30.0);
  config.sliding_window = keys.find_integer("attention.sliding_window").value_or(4096);
  // The file does not say by what scores are scaled. As llama.cpp: by the head's width, but for the
  // 27B model, which it knows by its layers.
  constexpr std::int64_t kLayersOf27B = 46;
  config.query_pre_attn_scalar =
      static_cast<double>(config.n_layers == kLayersOf27B
                              ? config.hidden_size / std::max<std::int64_t>(1, config.n_heads)
                              : config.head_dim);
  if (config.n_layers > 0 && config.n_layers <= kMostLayers) {
    config.sliding_layers.resize(static_cast<std::size_t>(config.n_layers));
    for (std::size_t i = 0; i < config.sliding_layers.size(); i += 2) {
      config.sliding_layers[i] = true;
    }
  }
}

void read_layer_norms(ModelConfig& config) {
  config.norm = NormKind::kLayer;
  config.gated_mlp = false;
  config.attention_bias = true;
  config.attention_out_bias = true;
  config.mlp_bias = true;
}

void read_gpt2(const GgufKeys&, ModelConfig& config) {
  read_layer_norms(config);
  config.positions = PositionKind::kLearned;
  config.activation = Activation::kGeluTanh;
}

void read_gpt_neox(const GgufKeys& keys, ModelConfig& config) {
  read_layer_norms(config);
  config.attention_bias = has_bias(keys, "attn_qkv");
  config.attention_out_bias = has_bias(keys, "attn_output");
  config.activation = Activation::kGelu;
  config.parallel_residual = keys.find_boolean("use_parallel_residual").value_or(true);
}

constexpr std::array<GgufFamily, 7> kFamilies = {{
    {"llama", "llama", "model.layers.", kLlamaModel, kLlamaLayer, read_llama},
    {"qwen2", "qwen2", "model.layers.", kLlamaModel, kQwenLayer, read_llama},
    {"qwen3", "qwen3", "model.layers.", kLlamaModel, kQwenLayer, read_qwen3},
    {"phi3", "phi3", "model.layers.", kLlamaModel, kPhi3Layer, read_phi3},
    {"gemma2", "gemma2", "model.layers.", kGemma2Model, kGemma2Layer, read_gemma2},
    {"gpt2", "gpt2", "transformer.h.", kGpt2Model, kGpt2Layer, read_gpt2},
    {"gptneox", "gpt_neox", "gpt_neox.layers.", kGptNeoxModel, kGptNeoxLayer, read_gpt_neox},
}};

}  // namespace

bool GgufFamily::interleaved() const {
  return std::ranges::find(layer_names, kInterleavedQ, &GgufName::layout) != layer_names.end();
}

const GgufFamily* find_gguf_family(std::string_view architecture) {
  const auto found = std::ranges::find(kFamilies, architecture, &GgufFamily::gguf);
  return found == kFamilies.end() ? nullptr : &*found;
}

std::string known_gguf_families() {
  std::string names;
  for (const GgufFamily& family : kFamilies) {
    names += (names.empty() ? "" : ", ") + std::string(family.gguf);
  }
  return names;
}

}  // namespace lethe::models
