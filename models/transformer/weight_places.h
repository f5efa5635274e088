// SPDX-License-Identifier: Apache-2.0
// Which tensors of a checkpoint make which tensor of a model, and how they are laid out there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/checkpoint/checkpoint.h"
#include "models/transformer/weights.h"

namespace lethe::models {

/// How a checkpoint stores what we want as [out, in] (or [out]).
enum class Storage {
  kPlain,
  kTransposed,    ///< [in, out]: GPT-2's Conv1D
  kThreePerHead,  ///< rows q | k | v of head 0, then of head 1, …; wanted q | k | v of all heads
  kMinusOne,      ///< w of a norm that multiplies by 1 + w
};

/// One tensor of a checkpoint.
struct Part {
  std::string name;
  std::vector<std::int64_t> shape;  ///< as stored
  Storage storage = Storage::kPlain;
  std::int64_t heads = 0;  ///< kThreePerHead

  std::vector<std::int64_t> wanted_shape() const;
  /// What a file stores of `wanted` [wanted_shape()]: [shape].
  at::Tensor stored(const at::Tensor& wanted) const;
};

/// A tensor of the model and what it is made of: several matrices with one input are stacked, for
/// one wide product instead of several narrow ones.
struct Place {
  at::Tensor* tensor;
  at::ScalarType type;
  std::vector<Part> parts;

  std::vector<std::int64_t> shape() const;
  std::size_t bytes() const;
};

/// Every tensor of a model, in the order in which they are read and stand in shared memory.
class Places {
 public:
  explicit Places(const Precision& precision) : precision_(precision) {}

  /// In the product type.
  void matrix(at::Tensor& tensor, std::vector<Part> parts);
  /// In the compute type.
  void vector(at::Tensor& tensor, std::vector<Part> parts);
  /// "<stem>.weight" [out, in] and, where asked for, "<stem>.bias" [out].
  void linear(at::Tensor& weight, at::Tensor& bias, const std::string& stem, std::int64_t out,
              std::int64_t in, bool with_bias);
  /// Projections q | k | v of widths q, kv and kv, "<stems[i]>.weight" and ".bias".
  void qkv(LayerWeights& layer, const std::vector<std::string>& stems, const ModelConfig& config);
  /// "<stem>.weight" and, of a layer norm, "<stem>.bias", each [hidden].
  void norm(Norm& norm, const std::string& stem, const ModelConfig& config);

  const std::vector<Place>& all() const { return all_; }
  /// Reads `place` into `tensor` of its shape and type. Throws Error(kModel) on a missing tensor, a
  /// wrong shape or a value that is not finite.
  static void fill(const Checkpoint& checkpoint, const Place& place, const at::Tensor& tensor);

 private:
  Precision precision_;
  std::vector<Place> all_;
};

}  // namespace lethe::models
