// SPDX-License-Identifier: Apache-2.0
// config.json of every family in both spellings, rope scalings, and what is refused.
#include <filesystem>
#include <string>
#include <vector>

#include "models/checkpoint/hf_config.h"
#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::models {
namespace {

const std::vector<std::string> kAll = {"bert",
                                       "gemma2",
                                       "gpt2",
                                       "gpt_neox",
                                       "llama_bias_headdim",
                                       "llama_mha",
                                       "llama_gqa_tied",
                                       "mistral_sw16",
                                       "llama_rope_dynamic",
                                       "llama_rope_linear",
                                       "opt",
                                       "phi3",
                                       "qwen2",
                                       "qwen3",
                                       "llama_rope_llama3",
                                       "llama_rope_yarn"};

ModelConfig tiny(const std::string& name) {
  return read_hf_config(test::golden("tiny/" + name + "/config.json"));
}

constexpr const char* kLlama = R"({"model_type": "llama", "vocab_size": 200, "hidden_size": 32,
  "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4)";

ModelConfig llama(const std::string& rest) {
  return parse_hf_config(kLlama + rest, "config.json");
}

std::string error_of_text(const std::string& text) {
  return test::error_of(ErrorKind::kModel, [&] { parse_hf_config(text, "config.json"); });
}

std::string llama_error(const std::string& rest) {
  return error_of_text(kLlama + rest);
}

std::string unsupported(const ModelConfig& config) {
  return test::error_of(ErrorKind::kModel, [&] { require_supported(config, "some/folder"); });
}

TEST_CASE("both spellings of config.json give the same configuration") {
  for (const std::string& name : kAll) {
    INFO(name);
    CHECK(tiny(name) == read_hf_config(test::golden("tiny/" + name + "/config_v5.json")));
  }
}

TEST_CASE("the families differ from Llama where they do") {
  ModelConfig expected = tiny("llama_gqa_tied");
  expected.architecture = "qwen2";
  expected.attention_bias = true;
  CHECK(tiny("qwen2") == expected);

  expected.architecture = "phi3";
  expected.attention_bias = false;
  expected.tied_embeddings = false;
  CHECK(tiny("phi3") == expected);

  expected.architecture = "qwen3";
  expected.head_dim = 16;
  expected.qk_norm = true;
  CHECK(tiny("qwen3") == expected);

  expected = tiny("llama_gqa_tied");
  expected.architecture = "gemma2";
  expected.norm = NormKind::kRmsPlusOne;
  expected.norm_place = NormPlace::kAround;
  expected.activation = Activation::kGeluTanh;
  expected.scaled_embeddings = true;
  expected.query_pre_attn_scalar = 16;
  expected.attention_softcap = 5;
  expected.final_softcap = 20;
  expected.sliding_window = 16;
  expected.sliding_layers = {true, false, true};
  CHECK(tiny("gemma2") == expected);
  CHECK(expected.window_of_layer(0) == 16);
  CHECK_FALSE(expected.window_of_layer(1).has_value());

  expected = tiny("llama_mha");
  expected.trained_length = 128;
  expected.norm = NormKind::kLayer;
  expected.gated_mlp = false;
  expected.attention_bias = expected.attention_out_bias = expected.mlp_bias = true;
  expected.activation = Activation::kGelu;
  const ModelConfig layer_norms = expected;

  expected.architecture = "gpt_neox";
  expected.n_heads = expected.n_kv_heads = 2;
  expected.head_dim = 16;
  expected.partial_rotary = 0.25;
  expected.parallel_residual = true;
  CHECK(tiny("gpt_neox") == expected);
  CHECK(expected.rotary_dim() == 4);

  expected = layer_norms;
  expected.positions = PositionKind::kLearned;
  expected.tied_embeddings = true;
  expected.architecture = "gpt2";
  expected.activation = Activation::kGeluTanh;
  CHECK(tiny("gpt2") == expected);
  CHECK(expected.rotary_dim() == 0);

  expected.architecture = "opt";
  expected.activation = Activation::kRelu;
  expected.learned_position_offset = 2;
  CHECK(tiny("opt") == expected);

  expected.architecture = "bert";
  expected.activation = Activation::kGelu;
  expected.learned_position_offset = 0;
  expected.norm_eps = 1e-12;
  expected.norm_place = NormPlace::kAfter;
  expected.embedding_norm = true;
  expected.final_norm = false;
  expected.causal = false;
  expected.token_types = 2;
  CHECK(tiny("bert") == expected);
}

TEST_CASE("rope scalings carry what transformers reads") {
  RopeScaling expected;
  expected.kind = RopeKind::kLinear;
  expected.factor = 4;
  expected.original_length = 256;
  CHECK(tiny("llama_rope_linear").rope == expected);
  expected.kind = RopeKind::kDynamic;
  expected.factor = 2;
  expected.original_length = 32;
  CHECK(tiny("llama_rope_dynamic").rope == expected);
  expected.kind = RopeKind::kYarn;
  expected.factor = 4;
  CHECK(tiny("llama_rope_yarn").rope == expected);
  expected.kind = RopeKind::kLlama3;
  expected.factor = 8;
  expected.high_freq_factor = 4;
  CHECK(tiny("llama_rope_llama3").rope == expected);

  const RopeScaling yarn = llama(R"(, "max_position_embeddings": 4096,
      "original_max_position_embeddings": 1024, "rope_scaling": {"type": "yarn",
      "original_max_position_embeddings": 2048, "attention_factor": 1.5, "beta_fast": 16,
      "beta_slow": 0, "mscale": 0.7, "mscale_all_dim": 0.8, "truncate": false}})")
                               .rope;
  CHECK(yarn.original_length == 1024);  // of the model before that of the scaling
  CHECK(yarn.factor == 4.0);            // not given: by how much the lengths differ
  CHECK(yarn.attention_factor == 1.5);
  CHECK(yarn.beta_fast == 16);
  CHECK(yarn.beta_slow == 1);  // zero is "not given"
  CHECK(yarn.mscale == 0.7);
  CHECK(yarn.mscale_all_dim == 0.8);
  CHECK_FALSE(yarn.truncate);
}

TEST_CASE("absent members of config.json take the defaults of transformers") {
  ModelConfig config = llama(R"(, "head_dim": null,
      "rope_scaling": null, "num_key_value_heads": null})");
  CHECK(config.n_kv_heads == 4);
  CHECK(config.head_dim == 8);
  CHECK(config.trained_length == 2048);
  CHECK(config.norm_eps == 1e-6);
  CHECK(config.rope_theta == 10000.0);
  CHECK_FALSE(config.tied_embeddings);
  config =
      llama(R"(, "rope_scaling": {"type": "default"}, "rope_parameters": {"rope_theta": 5e5}})");
  CHECK(config.rope_theta == 500000.0);

  const auto other = [](std::string_view type, const std::string& rest) {
    std::string text = kLlama + rest;
    text.replace(text.find("llama"), 5, type);
    return parse_hf_config(text, "config.json");
  };
  CHECK(other("mistral", "}").sliding_window == 4096);
  CHECK_FALSE(other("mistral", R"(, "sliding_window": null})").sliding_window.has_value());
  config = other("gemma2", R"(, "final_logit_softcapping": null})");
  CHECK(config.head_dim == 256);
  CHECK(config.attention_softcap == 50.0);
  CHECK_FALSE(config.final_softcap.has_value());
  config = other("qwen2", R"(, "use_sliding_window": true, "sliding_window": 8,
      "max_window_layers": 1})");
  CHECK(config.sliding_layers == std::vector<bool>{false, true});
  config = other("qwen3", R"(, "use_sliding_window": true, "sliding_window": 8,
      "max_window_layers": 0})");
  CHECK(config.sliding_window == 8);
  CHECK(config.sliding_layers.empty());
  config = other("qwen3", R"(, "use_sliding_window": true, "max_window_layers": 2})");
  CHECK_FALSE(config.sliding_window.has_value());
}

TEST_CASE("impossible and unknown configurations are refused by name") {
  const auto has = [&](const std::string& rest, const std::string& expected) {
    const std::string message = llama_error(rest);
    INFO(message);
    CHECK(message.find(expected) != std::string::npos);
    CHECK(message.find("config.json") != std::string::npos);
  };
  has(R"(, "rope_scaling": {"rope_type": "longrope", "factor": 2.0}})", "found \"longrope\"");
  has(R"(, "rope_scaling": {"type": "linear"}})", "member 'factor' is missing");
  has(R"(, "rope_scaling": {"type": "linear", "factor": 0}})", "factor: expected a positive");
  has(R"(, "rope_parameters": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4,
      "high_freq_factor": 1}})",
      "high_freq_factor above low_freq_factor");
  has(R"(, "rope_parameters": {"rope_type": "yarn", "original_max_position_embeddings": 0}})",
      "factor: expected a positive number");
  has(R"(, "rope_parameters": {"rope_type": "yarn", "rope_theta": 1.0, "factor": 4.0}})",
      "yarn needs a rope theta above 1");
  has(R"(, "rope_parameters": {"full_attention": {}}})", "one for each type of layer");
  has(R"(, "rope_parameters": {"partial_rotary_factor": 1.5}})", "rotated share of a head");
  has(R"(, "rope_parameters": {"partial_rotary_factor": 0.4}})", "even number of rotated");
  has(R"(, "rope_parameters": 7})", "expected an object");
  has(R"(, "hidden_act": "mish"})", "found \"mish\"");
  has(R"(, "quantization_config": {"bits": 4}})", "quantised checkpoint");
  has(R"(, "num_key_value_heads": 3})", "multiple of the key-value heads");
  has(R"(, "head_dim": 7})", "even number of rotated dimensions");
  has(R"(, "head_dim": "8"})", "expected an integer");
  has(R"(, "rope_theta": -1.0})", "rope theta");
  has(R"(, "head_dim": 2, "rope_scaling": {"type": "dynamic", "factor": 2.0}})",
      "at least 4 rotated dimensions");
  has(R"(, "max_position_embeddings": 0})", "trained length");
  has(R"(, "num_attention_heads": 0})", "attention heads");
  has(R"(, "num_hidden_layers": 1000000})", "at most 100000");
  has(R"(, "vocab_size": 4611686018427387904})", "vocabulary size");
  has("", "not valid JSON");

  const std::string unknown = error_of_text(R"({"model_type": "mamba"})");
  CHECK(unknown.find("found \"mamba\"") != std::string::npos);
  CHECK(unknown.find("\"llama\", \"mistral\", \"qwen2\"") != std::string::npos);
  const std::string gpt2 = R"({"model_type": "gpt2", "vocab_size": 9, "n_embd": 32, "n_layer": 2)";
  CHECK(error_of_text(gpt2 + R"(, "n_head": 5})").find("multiple of the attention heads") !=
        std::string::npos);
  CHECK(error_of_text(gpt2 + R"(, "n_head": 4, "scale_attn_weights": false})")
            .find("scale_attn_weights: expected true") != std::string::npos);
  const std::string gemma = test::bytes_of(test::golden("tiny/gemma2/config_v5.json"));
  const auto gemma_error = [&](const std::string& from, const std::string& to) {
    std::string text = gemma;
    text.replace(text.find(from), from.size(), to);
    return error_of_text(text);
  };
  CHECK(gemma_error("\"full_attention\"", "\"chunked\"").find("found \"chunked\"") !=
        std::string::npos);
  CHECK(gemma_error("\"full_attention\",", "").find("each of 3 layers, found 2") !=
        std::string::npos);
}

TEST_CASE("what no decoder computes is refused, and says what exists") {
  for (const char* name :
       {"llama_mha", "llama_gqa_tied", "llama_bias_headdim", "mistral_sw16", "llama_rope_linear",
        "llama_rope_dynamic", "llama_rope_llama3", "llama_rope_yarn", "gemma2", "gpt2", "gpt_neox",
        "opt", "phi3", "qwen2", "qwen3"}) {
    CHECK_NOTHROW(require_supported(tiny(name), name));
    CHECK_THROWS_WITH(require_encoder(tiny(name), name), Catch::Contains("found a decoder"));
  }
  CHECK_NOTHROW(require_encoder(tiny("bert"), "bert"));
  const std::string encoder = unsupported(tiny("bert"));
  CHECK(encoder.find("some/folder: a bert model: an encoder") != std::string::npos);
  CHECK(encoder.find("decoders exist for llama, mistral, qwen2") != std::string::npos);

  ModelConfig other = tiny("llama_mha");
  other.architecture = "mamba";
  CHECK(unsupported(other).find("a mamba model: its configuration can be read, but this version "
                                "has no decoder for it; decoders exist for llama, mistral") !=
        std::string::npos);
  other = tiny("opt");
  other.norm_place = NormPlace::kAfter;
  CHECK(unsupported(other).find("found norms after them") != std::string::npos);
  other = tiny("opt");
  other.embedding_size = 16;
  CHECK(unsupported(other).find("as wide as the model, 32, found one of 16") != std::string::npos);
}

}  // namespace
}  // namespace lethe::models
