// SPDX-License-Identifier: Apache-2.0
// The parameters of a model with recurrent memory in one flat vector, which is what an optimiser
// moves: names, shapes, first values, files. Encoder and decoder form share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/checkpoint/checkpoint.h"
#include "models/rmt/recurrent_config.h"
#include "models/transformer/weight_places.h"

namespace lethe::models {

/// Name of the initial memory in files.
inline constexpr const char* kMemoryTensor = "rmt.memory.weight";

/// Which part of the flat vector is which weight. Matrices are [out, in]; q | k | v are one matrix,
/// as in LayerWeights.
class FlatLayout {
 public:
  virtual ~FlatLayout() = default;
  FlatLayout(const FlatLayout&) = delete;
  FlatLayout& operator=(const FlatLayout&) = delete;

  const ModelConfig& config() const { return config_; }
  const RecurrentConfig& recurrent() const { return recurrent_; }
  std::int64_t size() const { return size_; }
  /// First values, float32, equal on every machine: uniform draws of unit variance for word
  /// embeddings and memory, of variance 1 / (3 in) for matrices, sinusoids for positions (arXiv
  /// 1706.03762, section 3.5), ones for norms, zeros for biases. Under RecurrentMask::kPaper all
  /// memory tokens begin equal, and positions tell them apart.
  at::Tensor initial(std::uint64_t seed) const;
  /// Writes the checkpoint's tensors into `flat`; of a `backbone` alone, those it has. Throws
  /// Error(kModel) for a missing tensor, a wrong shape, a value that is not finite.
  virtual void read(const Checkpoint& checkpoint, const at::Tensor& flat, bool backbone) const = 0;
  /// Bytes of model.safetensors: every tensor under its name in Hugging Face's model and stored as
  /// there, "rmt.memory.weight" beside it.
  std::string safetensors(const at::Tensor& flat) const;

 protected:
  FlatLayout(ModelConfig config, RecurrentConfig recurrent)
      : config_(std::move(config)), recurrent_(std::move(recurrent)) {}
  /// float32: the type in which a flat vector is read and written.
  static const Precision kFloat;
  /// Takes the tensors of the model, in order. To be called once, by the constructor of a form.
  void lay_out(const Places& places);
  /// rmt.memory.weight, [memory_tokens, hidden]; none without memory tokens.
  void add_memory(at::Tensor& memory, Places& places) const;
  /// Sets the tensors of `places` (those of lay_out()) in their types: views of `flat` where that
  /// is its type. Gradients flow back.
  void bind_views(const at::Tensor& flat, const Places& places) const;
  /// read() with the tensors under the names of `places`, of which the first `required` have to be
  /// there.
  void read_places(const Checkpoint& checkpoint, const Places& places, const at::Tensor& flat,
                   std::size_t required) const;

 private:
  ModelConfig config_;
  RecurrentConfig recurrent_;
  /// Of each tensor, one after the other.
  struct Range {
    std::int64_t first, count;
    std::vector<Part> parts;
  };
  std::vector<Range> ranges_;
  std::int64_t size_ = 0;
};

}  // namespace lethe::models
