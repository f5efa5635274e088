// SPDX-License-Identifier: Apache-2.0
// tokenizer.json of Hugging Face tokenizers: the whole way from text to ids and back.
#pragma once

#include <memory>
#include <string_view>

#include "models/tokenizer/hf_tokenizer_config.h"
#include "models/tokenizer/tokenizer.h"

namespace lethe::models {

/// Builds the tokenizer that `text` describes; `where` names it in errors. "truncation" and
/// "padding" are not applied: whole texts become whole sequences of ids. Throws Error(kModel) that
/// names the member, what was found and what is known for everything that is not understood.
std::unique_ptr<Tokenizer> make_json_tokenizer(std::string_view text, std::string_view where,
                                               const HfTokenizerConfig& config);

}  // namespace lethe::models
