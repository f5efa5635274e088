// SPDX-License-Identifier: Apache-2.0
// A trained model with recurrent memory, for evaluation: segments in, memory carried, classes out.
// No tensor type crosses this header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/checkpoint/checkpoint.h"
#include "models/engine/evaluate.h"
#include "models/rmt/recurrent_config.h"

namespace lethe::models {

/// Memory of several samples, [batch][rows][hidden], row-major. Doubles hold the values of every
/// precision exactly.
struct RecurrentMemory {
  std::int64_t batch = 0;
  std::int64_t rows = 0;
  std::vector<double> values;
};

/// Softmax weights of one layer for the rows that are computed there, [heads][rows][tokens].
struct AttentionMap {
  std::int64_t heads = 0, rows = 0, tokens = 0;
  std::vector<float> values;
};

/// Immutable after loading; its functions may be called from one thread at a time.
class RecurrentModel {
 public:
  virtual ~RecurrentModel() = default;
  virtual const ModelConfig& config() const = 0;
  virtual const RecurrentConfig& recurrent() const = 0;
  /// Bytes of one sample's memory in the model's compute type: rows x hidden x element size.
  virtual std::int64_t memory_bytes() const = 0;
  /// What the first segment of each sample is given.
  virtual RecurrentMemory initial(std::int64_t batch) const = 0;
  /// Reads one segment of every sample: `ids` is [batch][text tokens]. `memory` becomes that after
  /// the segment; with 0 rows there is none. Throws Error(kData) for ids outside the vocabulary and
  /// more tokens than there are positions.
  virtual void read(std::span<const std::int64_t> ids, RecurrentMemory& memory) const = 0;
  /// The same, and class scores of the segment, [batch][labels].
  virtual std::vector<double> classify(std::span<const std::int64_t> ids,
                                       RecurrentMemory& memory) const = 0;
  /// Attention of one sample's segment, a map a layer. The last layer has the rows of [CLS] and
  /// memory alone.
  virtual std::vector<AttentionMap> attention(std::span<const std::int64_t> ids,
                                              RecurrentMemory& memory) const = 0;
};

/// Loads a folder that `lethe train rmt` wrote. Throws Error(kModel) for a folder without recurrent
/// memory, of another architecture, with a missing tensor, a wrong shape or a value that is not
/// finite. Calls require_device().
std::unique_ptr<RecurrentModel> load_recurrent_model(const std::filesystem::path& folder,
                                                     DType dtype,
                                                     const std::string& device = "cpu");

}  // namespace lethe::models
