// SPDX-License-Identifier: Apache-2.0
// Between what callers of a recurrent model hand over and tensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/checkpoint/model_config.h"
#include "models/rmt/recurrent_config.h"
#include "models/rmt/recurrent_model.h"

namespace lethe::models::host {

/// Throws Error(kModel) for a folder without recurrent memory, or with that of the other form.
RecurrentConfig required_config(const std::filesystem::path& folder, RecurrentForm form);

/// [batch, text tokens] (int64) on the CPU, looking at `ids`. Throws Error(kData) for ids outside
/// the vocabulary and for more than `most_text` tokens a sample.
at::Tensor tokens(std::span<const std::int64_t> ids, const RecurrentMemory& memory,
                  const ModelConfig& config, std::int64_t most_text);

/// [batch, rows, hidden]
at::Tensor tensor_of(const RecurrentMemory& memory, std::int64_t hidden,
                     const at::TensorOptions& options);
std::vector<double> doubles_of(const at::Tensor& tensor);

}  // namespace lethe::models::host
