// SPDX-License-Identifier: Apache-2.0
// A Hugging Face folder: config.json and model.safetensors.
#pragma once

#include <filesystem>
#include <memory>

#include "models/checkpoint/checkpoint.h"

namespace lethe::models {

/// Opens a Hugging Face folder. Throws Error(kModel) that says which file is missing or wrong.
std::unique_ptr<Checkpoint> open_hf_checkpoint(const std::filesystem::path& folder);

}  // namespace lethe::models
