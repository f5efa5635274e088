// SPDX-License-Identifier: Apache-2.0
// Splitting text into the words inside which BPE may merge, by regular expression.
#pragma once

#include <functional>
#include <string_view>

#include "models/tokenizer/regex.h"

namespace lethe::models {

/// A named pre-tokeniser (the value of tokenizer.ggml.pre). Thread-safe.
class PreTokenizer {
 public:
  /// Throws Error(kModel) for an unknown name, listing the known ones. `where` names the file.
  PreTokenizer(std::string_view name, std::string_view where);

  /// Calls `word` with every piece of `text`, in order and without gaps. `text` must be UTF-8.
  void split(std::string_view text, const std::function<void(std::string_view)>& word) const;
  /// The expression, for hashing.
  std::string_view pattern() const { return regex_.pattern(); }

 private:
  Regex regex_;
};

/// Whether this is the pre-tokenizer of Llama-3, which stands for two facts that GGUF files leave
/// out: a word that is a token is taken as it is, without merging ("ignore_merges" of its
/// tokenizer.json), and BOS is added unless the file says otherwise.
bool is_llama3(std::string_view name);

}  // namespace lethe::models
