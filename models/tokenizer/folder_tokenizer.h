// SPDX-License-Identifier: Apache-2.0
// The tokenizer of a Hugging Face folder.
#pragma once

#include <filesystem>
#include <memory>

#include "models/tokenizer/tokenizer.h"

namespace lethe::models {

/// From tokenizer.json, else from tokenizer.model (SentencePiece). Throws Error(kModel) naming the
/// folder when it has neither.
std::unique_ptr<Tokenizer> open_folder_tokenizer(const std::filesystem::path& folder);

}  // namespace lethe::models
