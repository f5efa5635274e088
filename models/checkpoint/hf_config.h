// SPDX-License-Identifier: Apache-2.0
// config.json of a Hugging Face folder, in the spelling of transformers 4 and 5.
#pragma once

#include <filesystem>

#include "models/checkpoint/model_config.h"

namespace lethe::models {

/// Reads a config.json of model_type "llama". Absent members take the defaults of transformers.
/// Throws Error(kModel) for another model type, rope scaling, activation or quantisation than those
/// supported, naming what was found and what exists.
ModelConfig read_hf_config(const std::filesystem::path& path);

}  // namespace lethe::models
