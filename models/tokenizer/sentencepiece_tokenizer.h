// SPDX-License-Identifier: Apache-2.0
// tokenizer.model: SentencePiece models (BPE and Unigram), by its own library.
#pragma once

#include <memory>
#include <string_view>

#include "models/tokenizer/hf_tokenizer_config.h"
#include "models/tokenizer/tokenizer.h"

namespace lethe::models {

/// `bytes` is the content of the file, `where` its name for errors. BOS and EOS are added as
/// `config` says; where it does not, BOS alone, if there is one. Throws Error(kModel) for bytes
/// that are no model, and where the folder adds tokens that the model does not have.
std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(std::string_view bytes,
                                                        std::string_view where,
                                                        const HfTokenizerConfig& config);

}  // namespace lethe::models
