// SPDX-License-Identifier: Apache-2.0
// How each family of models stands in a GGUF file, after llama.cpp's converter.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "models/checkpoint/gguf.h"
#include "models/checkpoint/model_config.h"

namespace lethe::models {

/// What the converter did to a tensor of Hugging Face.
enum class GgufLayout {
  kSame,
  kInterleavedQ,  ///< rows of the two halves of every query head alternate
  kInterleavedK,  ///< likewise of the key heads
  kTransposed,    ///< a Conv1D turned to [out, in]
  kApart,         ///< q | k | v of every head, sorted to q | k | v of all heads
  kPlusOne,       ///< 1 + w of a norm
};

struct GgufName {
  std::string_view gguf;          ///< "attn_q"
  std::string_view hugging_face;  ///< "self_attn.q_proj"
  GgufLayout layout = GgufLayout::kSame;
};

/// Metadata whose keys begin with the architecture.
class GgufKeys {
 public:
  GgufKeys(const GgufFile& file, std::string_view architecture)
      : file_(file), prefix_(std::string(architecture) + ".") {}

  const GgufFile& file() const { return file_; }
  std::string name(std::string_view key) const { return prefix_ + std::string(key); }
  std::int64_t integer(std::string_view key) const { return file_.integer(name(key)); }
  double number(std::string_view key) const { return file_.number(name(key)); }
  std::optional<std::int64_t> find_integer(std::string_view key) const {
    return file_.find_integer(name(key));
  }
  std::optional<double> find_number(std::string_view key) const {
    return file_.find_number(name(key));
  }
  std::optional<bool> find_boolean(std::string_view key) const {
    return file_.find_boolean(name(key));
  }
  std::optional<std::string> find_string(std::string_view key) const {
    return file_.find_string(name(key));
  }

 private:
  const GgufFile& file_;
  std::string prefix_;
};

struct GgufFamily {
  std::string_view gguf;          ///< general.architecture: "gptneox"
  std::string_view architecture;  ///< model_type of Hugging Face: "gpt_neox"
  std::string_view layers;        ///< "model.layers.": the layer's number follows
  std::span<const GgufName> model_names;
  std::span<const GgufName> layer_names;
  /// What is not the same in every family, after sizes, norms and rotary angles have been read.
  void (*read)(const GgufKeys& keys, ModelConfig& config);

  /// Whether neighbouring dimensions are rotated together.
  bool interleaved() const;
};

/// nullptr for an architecture whose files cannot be read here.
const GgufFamily* find_gguf_family(std::string_view architecture);
/// "llama, qwen2, …", for messages.
std::string known_gguf_families();

}  // namespace lethe::models
