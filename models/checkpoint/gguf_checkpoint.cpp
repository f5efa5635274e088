// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/gguf_checkpoint.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "harness/base/error.h"
#include "models/checkpoint/dequantize.h"
#include "models/checkpoint/gguf.h"
#include "models/checkpoint/gguf_families.h"

namespace lethe::models {
namespace {

/// What a GGUF name stands for.
struct Translation {
  std::string hugging_face;
  GgufLayout layout;
};

const GgufName* find_name(std::span<const GgufName> names, std::string_view gguf) {
  const auto found = std::ranges::find(names, gguf, &GgufName::gguf);
  return found == names.end() ? nullptr : &*found;
}

// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight"; nothing for unknown names.
std::optional<Translation> translate(const GgufFamily& family, std::string_view name,
                                     std::int64_t n_layers) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return {};
  const std::string_view kind = name.substr(dot);
  if (kind != ".weight" && kind != ".bias") return {};
  std::string_view stem = name.substr(0, dot);
  std::string prefix;
  const GgufName* found = nullptr;
  if (stem.starts_with("blk.")) {
    stem.remove_prefix(4);
    std::int64_t layer = -1;
    const auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), layer);
    if (error != std::errc() || end == stem.data() + stem.size() || *end != '.') return {};
    if (layer < 0 || layer >= n_layers) return {};
    found = find_name(family.layer_names, std::string_view(end + 1, stem.data() + stem.size()));
    prefix = std::string(family.layers) + std::to_string(layer) + ".";
  } else {
    found = find_name(family.model_names, stem);
  }
  if (found == nullptr) return {};
  return Translation{prefix + std::string(found->hugging_face) + std::string(kind), found->layout};
}

// The other way, for a tensor that is not in the file; unknown names stay as they are.
std::string absent_name(const GgufFamily& family, std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::string(name);
  std::string_view stem = name.substr(0, dot);
  std::string prefix;
  std::span<const GgufName> names = family.model_names;
  if (stem.starts_with(family.layers)) {
    stem.remove_prefix(family.layers.size());
    const std::size_t end = std::min(stem.find('.'), stem.size() - 1);
    prefix = "blk." + std::string(stem.substr(0, end + 1));
    stem.remove_prefix(end + 1);
    names = family.layer_names;
  }
  const auto found = std::ranges::find(names, stem, &GgufName::hugging_face);
  if (found == names.end()) return std::string(name);
  return prefix + std::string(found->gguf) + std::string(name.substr(dot));
}

constexpr std::string_view kRopeDivisors = "rope_freqs.weight";

// What the reader does not know must not be in the file: silence would give wrong numbers.
void refuse_unknown_keys(const GgufKeys& keys) {
  const GgufFile& file = keys.file();
  const std::string where = file.path().string();
  const auto experts = keys.find_integer("expert_count").value_or(0);
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

RopeScaling read_rope_scaling(const GgufKeys& keys, std::int64_t trained_length) {
  constexpr const char* kType = "rope.scaling.type";
  const GgufFile& file = keys.file();
  const std::string where = file.path().string();
  RopeScaling rope;
  const auto kind = keys.find_string(kType).value_or("none");
  const GgufTensor* divisors = file.find_tensor(kRopeDivisors);
  if (kind == "linear" && divisors == nullptr) {
    rope.kind = RopeKind::kLinear;
    rope.factor = keys.number("rope.scaling.factor");
    rope.original_length = trained_length;
  } else if (kind == "yarn" && divisors == nullptr) {
    rope.kind = RopeKind::kYarn;
    rope.factor = keys.number("rope.scaling.factor");
    rope.original_length = keys.integer("rope.scaling.original_context_length");
  } else if (kind != "none") {
    throw Error(ErrorKind::kModel, where + ": key '" + keys.name(kType) +
                                       "': expected none, linear or yarn (the kinds that are "
                                       "known), found '" +
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
void check_vocabulary(const GgufKeys& keys, std::int64_t rows) {
  const GgufFile& file = keys.file();
  const auto expect_rows = [&](std::string_view key, std::int64_t found) {
    if (found == rows) return;
    throw Error(ErrorKind::kModel, file.path().string() +
                                       ": tensor 'token_embd.weight': expected " +
                                       std::to_string(found) + " rows, as key '" +
                                       std::string(key) + "' says, found " + std::to_string(rows));
  };
  expect_rows(keys.name("vocab_size"), keys.find_integer("vocab_size").value_or(rows));
  constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
  if (file.has(kTokens)) {
    expect_rows(kTokens, static_cast<std::int64_t>(file.strings(kTokens).size()));
  }
}

const GgufFamily& family_of(const GgufFile& file) {
  const std::string architecture = file.string("general.architecture");
  const GgufFamily* family = find_gguf_family(architecture);
  if (family == nullptr) {
    throw Error(ErrorKind::kModel, file.path().string() +
                                       ": expected a GGUF file of an architecture that can be read "
                                       "(" +
                                       known_gguf_families() + "), found '" + architecture +
                                       "'; more families are read from their Hugging Face folders");
  }
  return *family;
}

ModelConfig config_of(const GgufFile& file, const GgufFamily& family) {
  const std::string where = file.path().string();
  const GgufKeys keys(file, family.gguf);
  refuse_unknown_keys(keys);
  ModelConfig config;
  config.architecture = family.architecture;
  config.hidden_size = keys.integer("embedding_length");
  config.intermediate_size = keys.integer("feed_forward_length");
  config.n_layers = keys.integer("block_count");
  config.n_heads = keys.integer("attention.head_count");
  config.n_kv_heads = keys.find_integer("attention.head_count_kv").value_or(config.n_heads);
  config.trained_length = keys.integer("context_length");
  // One of the two, whatever the norm: the message of a missing one names the common.
  const auto layer_norm_eps = keys.find_number("attention.layer_norm_epsilon");
  config.norm_eps =
      layer_norm_eps ? *layer_norm_eps : keys.number("attention.layer_norm_rms_epsilon");
  config.rope_theta = keys.find_number("rope.freq_base").value_or(10000.0);
  const GgufTensor* embedding = file.find_tensor("token_embd.weight");
  if (embedding == nullptr || embedding->ne.size() != 2) {
    throw Error(ErrorKind::kModel, where + ": expected a matrix 'token_embd.weight', found " +
                                       (embedding ? "another shape" : "no such tensor"));
  }
  config.vocab_size = embedding->ne[1];
  check_vocabulary(keys, config.vocab_size);
  config.head_dim = keys.find_integer("attention.key_length")
                        .value_or(config.n_heads > 0 ? config.hidden_size / config.n_heads : 0);
  config.rope = read_rope_scaling(keys, config.trained_length);
  config.tied_embeddings = file.find_tensor("output.weight") == nullptr;
  const auto rotated = keys.find_integer("rope.dimension_count").value_or(config.head_dim);
  if (config.head_dim > 0) {
    config.partial_rotary = static_cast<double>(rotated) / static_cast<double>(config.head_dim);
  }
  family.read(keys, config);
  check_model_config(config, where);
  if (family.interleaved() && rotated != config.head_dim) {
    throw Error(ErrorKind::kModel,
                where + ": key '" + keys.name("rope.dimension_count") +
                    "': expected the head dimension " + std::to_string(config.head_dim) +
                    " (partial rotation of a " + std::string(family.gguf) +
                    " model is not supported), found " + std::to_string(rotated));
  }
  return config;
}

class GgufCheckpoint final : public Checkpoint {
 public:
  explicit GgufCheckpoint(const std::filesystem::path& path)
      : file_(path),
        family_(family_of(file_)),
        config_(config_of(file_, family_)),
        generation_(generation_defaults_of(file_)) {
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
    if (source.layout == GgufLayout::kSame) {
      file_.read(*source.tensor, out);
      require_finite(out, label(), source.tensor->name);
    } else {
      std::vector<float> stored(out.size());
      file_.read(*source.tensor, stored);
      require_finite(stored, label(), source.tensor->name);
      restore(stored, tensor, source.layout, out);
    }
  }

  // "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight"
  std::string stored_name(std::string_view name) const override {
    const auto found = sources_.find(name);
    return found == sources_.end() ? absent_name(family_, name) : found->second.tensor->name;
  }

 private:
  struct Source {
    const GgufTensor* tensor;
    GgufLayout layout;
  };

  void add(const GgufTensor& tensor) {
    const auto translation = translate(family_, tensor.name, config_.n_layers);
    if (!translation) {
      throw Error(ErrorKind::kModel, label() + ": tensor '" + tensor.name +
                                         "': expected the tensors of a " +
                                         std::string(family_.gguf) + " model with " +
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
    const GgufLayout layout = layout_of(translation->layout, info);
    const std::int64_t rows = rows_of_heads(layout);
    if (rows != 0 && info.shape[0] != rows) {
      throw Error(ErrorKind::kModel, label() + ": tensor '" + tensor.name + "': expected " +
                                         std::to_string(rows) + " rows for its heads, found " +
                                         std::to_string(info.shape[0]));
    }
    if (layout == GgufLayout::kTransposed) std::ranges::reverse(info.shape);
    sources_.emplace(info.name, Source{&tensor, layout});
    tensors_.push_back(std::move(info));
  }

  // A vector is not transposed.
  static GgufLayout layout_of(GgufLayout layout, const TensorInfo& info) {
    return layout == GgufLayout::kTransposed && info.shape.size() != 2 ? GgufLayout::kSame : layout;
  }

  /// Rows that a tensor sorted by heads must have; 0 for others.
  std::int64_t rows_of_heads(GgufLayout layout) const {
    switch (layout) {
      case GgufLayout::kInterleavedQ:
        return config_.n_heads * config_.head_dim;
      case GgufLayout::kInterleavedK:
        return config_.n_kv_heads * config_.head_dim;
      case GgufLayout::kApart:
        return 3 * config_.n_heads * config_.head_dim;
      default:
        return 0;
    }
  }

  // From the order of the file to that of Hugging Face. `tensor` is as Hugging Face has it.
  void restore(std::span<const float> from, const TensorInfo& tensor, GgufLayout layout,
               std::span<float> to) const {
    const auto rows = static_cast<std::size_t>(tensor.shape[0]);
    const std::size_t width = from.size() / rows;
    const auto head = static_cast<std::size_t>(config_.head_dim);
    const auto heads = static_cast<std::size_t>(config_.n_heads);
    const auto take_rows = [&](const auto& stored_at) {
      for (std::size_t row = 0; row < rows; ++row) {
        std::ranges::copy(from.subspan(stored_at(row) * width, width),
                          to.subspan(row * width, width).begin());
      }
    };
    switch (layout) {
      case GgufLayout::kSame:
        std::ranges::copy(from, to.begin());
        break;
      case GgufLayout::kInterleavedQ:
      case GgufLayout::kInterleavedK:
        // llama.cpp rotates neighbouring pairs and therefore stores row j of the two halves of a
        // head as rows 2j and 2j + 1; Hugging Face keeps the halves apart.
        take_rows([&](std::size_t row) {
          const std::size_t within = row % head;
          return row - within + (within % (head / 2)) * 2 + within / (head / 2);
        });
        break;
      case GgufLayout::kApart:
        // Wanted: q, k, v of head 0, of head 1, …; stored: q of all heads, k of all, v of all.
        take_rows([&](std::size_t row) {
          const std::size_t of_head = row / (3 * head), which = row / head % 3;
          return (which * heads + of_head) * head + row % head;
        });
        break;
      case GgufLayout::kTransposed:
        for (std::size_t row = 0; row < rows; ++row) {
          for (std::size_t c = 0; c < width; ++c) to[row * width + c] = from[c * rows + row];
        }
        break;
      case GgufLayout::kPlusOne:
        std::ranges::transform(from, to.begin(), [](float weight) { return weight - 1; });
        break;
    }
  }

  GgufFile file_;
  const GgufFamily& family_;
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
