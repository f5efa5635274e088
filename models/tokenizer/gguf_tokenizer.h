// SPDX-License-Identifier: Apache-2.0
// The tokenizer inside a GGUF file.
#pragma once

#include <filesystem>
#include <memory>

#include "models/tokenizer/tokenizer.h"

namespace lethe::models {

/// Throws Error(kModel) when the file carries no tokenizer, or one of another kind than "gpt2"
/// (byte-level BPE) and "llama" (SentencePiece BPE by scores), naming it and what exists.
std::unique_ptr<Tokenizer> open_gguf_tokenizer(const std::filesystem::path& path);

}  // namespace lethe::models
