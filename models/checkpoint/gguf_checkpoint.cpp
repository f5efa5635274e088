// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/gguf_checkpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>

#include "harness/base/error.h"
#include "models/checkpoint/dequantize.h"
#include "models/checkpoint/gguf.h"

namespace lethe::models {
namespace {

struct NamePair {
  std::string_view gguf;
  std::string_view hugging_face;
};

constexpr std::array<NamePair, 3> kModelNames = {{
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
}};

constexpr std::array<NamePair, 9> kLayerNames = {{
    {"attn_norm", "input_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
}};

/// What a GGUF name stands for.
struct Translation {
  std::string hugging_face;
  std::string_view module;  ///< the GGUF word, e.g. "attn_q"
};

template <std::size_t n>
const NamePair* find_pair(const std::array<NamePair, n>& pairs, std::string_view gguf) {
  const auto found = std::ranges::find(pairs, gguf, &NamePair::gguf);
  return found == pairs.end() ? nullptr : &*found;
}

// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight"; nothing for unknown names.
std::optional<Translation> translate(std::string_view name, std::int64_t n_layers) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return {};
  const std::string_view kind = name.substr(dot);
  if (kind != ".weight" && kind != ".bias") return {};
  std::string_view stem = name.substr(0, dot);
  std::string prefix;
  const NamePair* pair = nullptr;
  if (stem.starts_with("blk.")) {
    stem.remove_prefix(4);
    std::int64_t layer = -1;
    const auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), layer);
    if (error != std::errc() || end == stem.data() + stem.size() || *end != '.') return {};
    if (layer < 0 || layer >= n_layers) return {};
    pair = find_pair(kLayerNames, std::string_view(end + 1, stem.data() + stem.size()));
    prefix = "model.layers." + std::to_string(layer) + ".";
  } else {
    pair = find_pair(kModelNames, stem);
  }
  if (pair == nullptr) return {};
  return Translation{prefix + std::string(pair->hugging_face) + std::string(kind), pair->gguf};
}

constexpr std::string_view kRopeDivisors = "rope_freqs.weight";

// What the reader does not know must not be in the file: silence would give wrong numbers.
void refuse_unknown_keys(const GgufFile& file) {
  const std::string where = file.path().string();
  const auto experts = file.find_integer("llama.expert_count").value_or(0);
  if (experts != 0) {
    throw Error(ErrorKind::kModel, where + ": expected a dense model, found a mixture of " +
                                       std::to_string(experts) +
                                       " experts, which is not supported");
  }
  const auto parts = file.find_integer("split.count").value_or(0);
  if (parts > 1) {
    throw Error(ErrorKind::kModel, where + ": expected a whole model, found one of " +
                                       std::to_string(parts) +
                                       " parts; join them with llama-gguf-split --merge");
  }
}

RopeScaling read_rope_scaling(const GgufFile& file, std::int64_t trained_length) {
  const std::string where = file.path().string();
  RopeScaling rope;
  const auto kind = file.find_string("llama.rope.scaling.type").value_or("none");
  const GgufTensor* divisors = file.find_tensor(kRopeDivisors);
  if (kind == "linear" && divisors == nullptr) {
    rope.kind = RopeKind::kLinear;
    rope.factor = file.number("llama.rope.scaling.factor");
    rope.original_length = trained_length;
  } else if (kind != "none") {
    throw Error(ErrorKind::kModel, where +
                                       ": key 'llama.rope.scaling.type': expected none or linear "
                                       "(the kinds that are known), found '" +
                                       kind + "'" +
                                       (divisors ? " beside the tensor 'rope_freqs.weight'" : ""));
  } else if (divisors != nullptr) {
    rope.kind = RopeKind::kDivisors;
    rope.original_length = trained_length;
    if (divisors->type != 0) {
      throw Error(ErrorKind::kModel, where + ": tensor 'rope_freqs.weight': expected F32, found " +
                                         ggml_type_name(divisors->type));
    }
    rope.divisors.resize(static_cast<std::size_t>(divisors->elements()));
    file.read(*divisors, rope.divisors);
  }
  return rope;
}

// The vocabulary of the tokenizer and of the model are one: a file where they differ is put
// together wrongly, and would give ids that no row of the embedding belongs to.
void check_vocabulary(const GgufFile& file, std::int64_t rows) {
  const auto expect_rows = [&](std::string_view key, std::int64_t found) {
    if (found == rows) return;
    throw Error(ErrorKind::kModel, file.path().string() +
                                       ": tensor 'token_embd.weight': expected " +
                                       std::to_string(found) + " rows, as key '" +
                                       std::string(key) + "' says, found " + std::to_string(rows));
  };
  expect_rows("llama.vocab_size", file.find_integer("llama.vocab_size").value_or(rows));
  constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
  if (file.has(kTokens)) {
    expect_rows(kTokens, static_cast<std::int64_t>(file.strings(kTokens).size()));
  }
}

ModelConfig config_of(const GgufFile& file) {
  const std::string where = file.path().string();
  ModelConfig config;
  config.architecture = file.string("general.architecture");
  if (config.architecture != "llama") {
    throw Error(ErrorKind::kModel, where +
                                       ": expected a model architecture that is supported "
                                       "(llama), found '" +
                                       config.architecture + "'");
  }
  refuse_unknown_keys(file);
  config.hidden_size = file.integer("llama.embedding_length");
  config.intermediate_size = file.integer("llama.feed_forward_length");
  config.n_layers = file.integer("llama.block_count");
  config.n_heads = file.integer("llama.attention.head_count");
  config.n_kv_heads = file.find_integer("llama.attention.head_count_kv").value_or(config.n_heads);
  config.trained_length = file.integer("llama.context_length");
  config.norm_eps = file.number("llama.attention.layer_norm_rms_epsilon");
  config.rope_theta = file.find_number("llama.rope.freq_base").value_or(10000.0);
  const GgufTensor* embedding = file.find_tensor("token_embd.weight");
  if (embedding == nullptr || embedding->ne.size() != 2) {
    throw Error(ErrorKind::kModel, where + ": expected a matrix 'token_embd.weight', found " +
                                       (embedding ? "another shape" : "no such tensor"));
  }
  config.vocab_size = embedding->ne[1];
  check_vocabulary(file, config.vocab_size);
  config.head_dim = file.find_integer("llama.attention.key_length")
                        .value_or(config.n_heads > 0 ? config.hidden_size / config.n_heads : 0);
  config.rope = read_rope_scaling(file, config.trained_length);
  config.attention_bias = file.find_tensor("blk.0.attn_q.bias") != nullptr;
  config.attention_out_bias = file.find_tensor("blk.0.attn_output.bias") != nullptr;
  config.mlp_bias = file.find_tensor("blk.0.ffn_gate.bias") != nullptr;
  config.tied_embeddings = file.find_tensor("output.weight") == nullptr;
  check_model_config(config, where);
  const auto rotated = file.find_integer("llama.rope.dimension_count").value_or(config.head_dim);
  if (rotated != config.head_dim) {
    throw Error(ErrorKind::kModel,
                where + ": key 'llama.rope.dimension_count': expected the head dimension " +
                    std::to_string(config.head_dim) +
                    " (partial rotation is not supported), found " + std::to_string(rotated));
  }
  return config;
}

class GgufCheckpoint final : public Checkpoint {
 public:
  explicit GgufCheckpoint(const std::filesystem::path& path)
      : file_(path), config_(config_of(file_)), generation_(generation_defaults_of(file_)) {
    for (const GgufTensor& tensor : file_.tensors()) {
      if (tensor.name != kRopeDivisors) add(tensor);  // part of the configuration
    }
    std::ranges::sort(tensors_, {}, &TensorInfo::name);
  }

  const ModelConfig& config() const override { return config_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  std::vector<std::filesystem::path> files() const override { return {file_.path()}; }
  std::string label() const override { return file_.path().string(); }
  GenerationDefaults generation_defaults() const override { return generation_; }

  void read(std::string_view name, std::span<float> out) const override {
    const TensorInfo& tensor = info(name);
    LETHE_ASSERT(out.size() == static_cast<std::size_t>(tensor.elements()), tensor.name);
    const Source& source = sources_.find(name)->second;
    if (source.heads == 0) {
      file_.read(*source.tensor, out);
    } else {
      std::vector<float> permuted(out.size());
      file_.read(*source.tensor, permuted);
      unpermute(permuted, static_cast<std::size_t>(source.heads),
                static_cast<std::size_t>(tensor.shape[0]), out);
    }
    require_finite(out, label(), tensor.name);
  }

 private:
  struct Source {
    const GgufTensor* tensor;
    std::int64_t heads;  ///< heads whose rows llama.cpp interleaved; 0 where it did not
  };

  void add(const GgufTensor& tensor) {
    const auto translation = translate(tensor.name, config_.n_layers);
    if (!translation) {
      throw Error(ErrorKind::kModel, label() + ": tensor '" + tensor.name +
                                         "': expected the tensors of a llama model with " +
                                         std::to_string(config_.n_layers) +
                                         " layers, found one that has no place in it");
    }
    const GgmlFormat* format = find_ggml_format(tensor.type);
    if (format == nullptr) {
      throw Error(ErrorKind::kModel,
                  label() + ": tensor '" + tensor.name + "': expected one of the storage types " +
                      supported_ggml_formats() + ", found " + ggml_type_name(tensor.type) +
                      "; use a file quantised to one of these");
    }
    TensorInfo info;
    info.name = translation->hugging_face;
    info.shape.assign(tensor.ne.rbegin(), tensor.ne.rend());
    info.storage = format->name;
    const std::int64_t heads = translation->module == "attn_q"   ? config_.n_heads
                               : translation->module == "attn_k" ? config_.n_kv_heads
                                                                 : 0;
    if (heads != 0 && info.shape[0] != heads * config_.head_dim) {
      throw Error(ErrorKind::kModel, label() + ": tensor '" + tensor.name + "': expected " +
                                         std::to_string(heads * config_.head_dim) +
                                         " rows for its heads, found " +
                                         std::to_string(info.shape[0]));
    }
    sources_.emplace(info.name, Source{&tensor, heads});
    tensors_.push_back(std::move(info));
  }

  // llama.cpp rotates neighbouring pairs and therefore stores row j of the two halves of a head as
  // rows 2j and 2j + 1; Hugging Face keeps the halves apart.
  static void unpermute(std::span<const float> from, std::size_t heads, std::size_t rows,
                        std::span<float> to) {
    const std::size_t row_size = from.size() / rows;
    const std::size_t half = rows / heads / 2;
    for (std::size_t row = 0; row < rows; ++row) {
      const std::size_t head_start = row / (2 * half) * (2 * half);
      const std::size_t within = row - head_start;
      const std::size_t stored = head_start + (within % half) * 2 + within / half;
      std::ranges::copy(from.subspan(stored * row_size, row_size),
                        to.subspan(row * row_size, row_size).begin());
    }
  }

  GgufFile file_;
  ModelConfig config_;
  GenerationDefaults generation_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, Source, std::less<>> sources_;
};

}  // namespace

std::unique_ptr<Checkpoint> open_gguf_checkpoint(const std::filesystem::path& path) {
  return std::make_unique<GgufCheckpoint>(path);
}

}  // namespace lethe::models
