// SPDX-License-Identifier: Apache-2.0
// A trained decoder with recurrent memory, for evaluation: segments in, memory carried, scores of
// next tokens out. No tensor type crosses this header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/rmt/recurrent_model.h"

namespace lethe::models {

/// Immutable after loading; its functions may be called from one thread at a time.
class RecurrentDecoderModel {
 public:
  virtual ~RecurrentDecoderModel() = default;
  virtual const ModelConfig& config() const = 0;
  virtual const RecurrentConfig& recurrent() const = 0;
  /// Bytes of one sample's memory in the model's compute type: rows x hidden x element size.
  virtual std::int64_t memory_bytes() const = 0;
  /// What the first segment of each sample is given.
  virtual RecurrentMemory initial(std::int64_t batch) const = 0;
  /// Reads one segment of every sample: `ids` is [batch][text tokens]. `memory` becomes that after
  /// the segment; with 0 rows there is none. Throws Error(kData) for ids outside the vocabulary and
  /// more tokens than segments had in training.
  virtual void read(std::span<const std::int64_t> ids, RecurrentMemory& memory) const = 0;
  /// The same, and scores of what follows each token, [batch][text tokens][vocab].
  virtual std::vector<double> scores(std::span<const std::int64_t> ids,
                                     RecurrentMemory& memory) const = 0;
};

/// Loads a folder that `lethe train rmt` wrote. Throws Error(kModel) for a folder without recurrent
/// memory, of an encoder, with a missing tensor, a wrong shape or a value that is not finite. Calls
/// require_device().
std::unique_ptr<RecurrentDecoderModel> load_recurrent_decoder(const std::filesystem::path& folder,
                                                              DType dtype,
                                                              const std::string& device = "cpu");

}  // namespace lethe::models
