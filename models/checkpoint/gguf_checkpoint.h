// SPDX-License-Identifier: Apache-2.0
// A GGUF file presented as Hugging Face would: names, row order and configuration translated.
#pragma once

#include <filesystem>
#include <memory>

#include "models/checkpoint/checkpoint.h"

namespace lethe::models {

/// Opens a GGUF file of a family in gguf_families.h. Throws Error(kModel) that names another
/// architecture, a storage type that cannot be read, or a tensor or key with no place in the model.
std::unique_ptr<Checkpoint> open_gguf_checkpoint(const std::filesystem::path& path);

}  // namespace lethe::models
