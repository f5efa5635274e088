// SPDX-License-Identifier: Apache-2.0
// A checkpoint on disk: named tensors in Hugging Face naming and layout, and its configuration.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/checkpoint/generation_defaults.h"
#include "models/checkpoint/model_config.h"

namespace lethe::models {

/// Name, shape and storage type of one tensor.
struct TensorInfo {
  std::string name;  ///< Hugging Face name, e.g. "model.layers.0.self_attn.q_proj.weight"
  std::vector<std::int64_t> shape;  ///< row-major, e.g. [out, in]
  std::string storage;              ///< "F32", "BF16", "Q4_1", …

  std::int64_t elements() const;
};

/// Read access to a checkpoint. GGUF files are presented as Hugging Face would: names translated,
/// q/k rows un-permuted. Thread-safe for reading.
class Checkpoint {
 public:
  virtual ~Checkpoint() = default;
  virtual const ModelConfig& config() const = 0;
  /// How to generate with it; the plain defaults where the checkpoint says nothing.
  virtual GenerationDefaults generation_defaults() const { return {}; }
  /// All tensors, sorted by name.
  virtual const std::vector<TensorInfo>& tensors() const = 0;
  bool has(std::string_view name) const;
  /// Throws Error(kModel) naming the checkpoint, the tensor, and the nearest known name.
  const TensorInfo& info(std::string_view name) const;
  /// Dequantises the whole tensor into `out` (elements() floats). Throws Error(kModel) when a value
  /// is NaN or infinite, naming the tensor.
  virtual void read(std::string_view name, std::span<float> out) const = 0;
  /// Throws Error(kModel) unless the tensor exists with exactly this shape.
  void expect_shape(std::string_view name, std::span<const std::int64_t> shape) const;
  /// The files that weights and configuration come from, in a fixed order.
  virtual std::vector<std::filesystem::path> files() const = 0;
  /// Path given by the user, for messages.
  virtual std::string label() const = 0;
  /// File that holds this tensor, for messages; label() for one that is in none.
  virtual std::string file_of(std::string_view /*name*/) const { return label(); }
  /// What the files themselves call a tensor of this name, for messages.
  virtual std::string stored_name(std::string_view name) const { return std::string(name); }
};

/// Opens a GGUF file or a Hugging Face folder (config.json and model.safetensors, or the files that
/// model.safetensors.index.json names).
/// Throws Error(kModel) that says what was expected and found.
std::unique_ptr<Checkpoint> open_checkpoint(const std::filesystem::path& path);

/// What files() gives, without opening the weights: damaged ones can still be hashed. Throws
/// Error(kModel) when one of them is missing.
std::vector<std::filesystem::path> checkpoint_files(const std::filesystem::path& path);

}  // namespace lethe::models
