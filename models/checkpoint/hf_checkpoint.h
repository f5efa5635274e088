// SPDX-License-Identifier: Apache-2.0
// A Hugging Face folder: config.json and model.safetensors, whole or in shards.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "models/checkpoint/checkpoint.h"

namespace lethe::models {

/// Opens a Hugging Face folder. Throws Error(kModel) that says which file is missing or wrong.
std::unique_ptr<Checkpoint> open_hf_checkpoint(const std::filesystem::path& folder);

/// config.json, the index where there is one, and the files of the weights, which are not opened.
/// Throws Error(kModel) when one of them is missing or the index is damaged.
std::vector<std::filesystem::path> hf_checkpoint_files(const std::filesystem::path& folder);

}  // namespace lethe::models
