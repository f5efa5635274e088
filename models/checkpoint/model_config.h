// SPDX-License-Identifier: Apache-2.0
// Hyper-parameters of a transformer, whatever file they came from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::models {

enum class NormKind {
  kRms,         ///< x / rms(x) * w
  kRmsPlusOne,  ///< x / rms(x) * (1 + w): Gemma
  kLayer,       ///< (x - mean) / deviation * w + b
};

/// Where a layer's norms stand.
enum class NormPlace {
  kBefore,  ///< x + f(norm(x))
  kAfter,   ///< norm(x + f(x)): BERT, OPT-350M
  kAround,  ///< x + norm(f(norm(x))): Gemma 2
};

enum class Activation {
  kSilu,
  kGelu,      ///< exact, by erf
  kGeluTanh,  ///< the tanh approximation: gelu_new, gelu_pytorch_tanh, gelu_fast
  kRelu,
};

enum class PositionKind {
  kRotary,   ///< rope_theta, partial_rotary, rope
  kLearned,  ///< a table of trained_length rows, learned_position_offset rows below it
};

enum class RopeKind {
  kPlain,
  kLinear,    ///< frequencies divided by factor
  kDynamic,   ///< NTK: theta grows with the text once it is longer than original_length
  kLlama3,    ///< factor, low_freq_factor, high_freq_factor, original_length
  kYarn,      ///< factor, attention_factor, betas, mscales, original_length
  kDivisors,  ///< a divisor for each frequency: llama3 as GGUF files store it
};

/// Scaling of the rotary frequencies. Members of other kinds keep their defaults.
struct RopeScaling {
  RopeKind kind = RopeKind::kPlain;
  double factor = 1.0;
  /// Length before the scaling: original_max_position_embeddings of the model or of the scaling,
  /// else max_position_embeddings (which is what kDynamic always takes).
  std::int64_t original_length = 0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 1.0;
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  /// Multiplies cos and sin under kYarn; absent: from factor and the mscales, as transformers does.
  std::optional<double> attention_factor;
  std::optional<double> mscale;
  std::optional<double> mscale_all_dim;
  bool truncate = true;         ///< kYarn: bounds of the ramp rounded to whole dimensions
  std::vector<float> divisors;  ///< kDivisors: rotary_dim() / 2 of them

  bool operator==(const RopeScaling&) const = default;
};

/// Hyper-parameters in Hugging Face terms. Read from config.json or from GGUF metadata. The
/// defaults are those of Llama; which of the rest can be computed, require_supported() knows.
struct ModelConfig {
  std::string architecture;  ///< model_type of Hugging Face: "llama", "qwen2", "gpt_neox", …
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t n_layers = 0;
  std::int64_t n_heads = 0;
  std::int64_t n_kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t trained_length = 0;  ///< max_position_embeddings / context_length

  NormKind norm = NormKind::kRms;
  NormPlace norm_place = NormPlace::kBefore;
  double norm_eps = 1e-5;
  bool final_norm = true;       ///< a norm after the last layer
  bool embedding_norm = false;  ///< a norm after the embeddings: BERT

  PositionKind positions = PositionKind::kRotary;
  std::int64_t learned_position_offset = 0;  ///< rows of the table before position 0: OPT has 2
  /// Scores of encoders that Lethe trains gain a learned bias of every layer and head by offset,
  /// clipped to this many tokens each way (after arXiv 1910.10683, section 2.1); 0: none.
  std::int64_t relative_clip = 0;
  double rope_theta = 10000.0;
  double partial_rotary = 1.0;  ///< share of a head's dimensions that is rotated
  RopeScaling rope;

  /// A token sees itself and the sliding_window - 1 tokens before it; none: everything.
  std::optional<std::int64_t> sliding_window;
  /// Which layers have the window, n_layers of them; empty: all. Only where there is a window.
  std::vector<bool> sliding_layers;
  bool causal = true;               ///< false: an encoder
  bool attention_bias = false;      ///< of the projections to q, k and v
  bool attention_out_bias = false;  ///< of the projection back
  bool qk_norm = false;             ///< norm of every head of q and k, before rotation
  /// See attention_scalar().
  std::optional<double> query_pre_attn_scalar;
  std::optional<double> attention_softcap;  ///< scores become c * tanh(score / c)

  Activation activation = Activation::kSilu;
  bool gated_mlp = true;  ///< down(act(gate(x)) * up(x)); else down(act(up(x)))
  bool mlp_bias = false;
  bool parallel_residual = false;  ///< x + attention(norm1(x)) + mlp(norm2(x))

  bool scaled_embeddings = false;       ///< embeddings times sqrt(hidden_size): Gemma
  std::int64_t embedding_size = 0;      ///< of a table narrower than hidden_size; 0: as wide
  std::int64_t token_types = 0;         ///< rows of the table of token types: BERT
  std::optional<double> final_softcap;  ///< logits become c * tanh(logit / c)
  bool tied_embeddings = false;

  /// Dimensions of a head that are rotated.
  std::int64_t rotary_dim() const;
  /// Scores are divided by the square root of this: query_pre_attn_scalar, else head_dim.
  double attention_scalar() const;
  /// The window of a layer; none: it sees everything.
  std::optional<std::int64_t> window_of_layer(std::int64_t layer) const;

  bool operator==(const ModelConfig&) const = default;
};

/// Layers are counted in loops and lists: a damaged number must not become a long wait.
inline constexpr std::int64_t kMostLayers = 100'000;

/// Throws Error(kModel) naming `where` and the first value that no model can have.
void check_model_config(const ModelConfig& config, std::string_view where);

/// Throws Error(kModel) naming `where`, what the model needs and what exists, when no decoder here
/// computes it (encoders have none). To be asked before work is planned on it: opening a checkpoint
/// does not.
void require_supported(const ModelConfig& config, std::string_view where);
/// The same for encoders, which give hidden states and embeddings.
void require_encoder(const ModelConfig& config, std::string_view where);

/// Throws Error(kConfig) when the model's positions are a learned table that ends before `tokens`,
/// which are `what`: "a text of 5 tokens".
void check_learned_positions(const ModelConfig& config, std::int64_t tokens, std::string_view what);

/// "linear", "llama3", … for messages.
std::string_view to_string(RopeKind kind);
std::string_view to_string(Activation activation);

}  // namespace lethe::models
