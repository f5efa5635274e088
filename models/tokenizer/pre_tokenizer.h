// SPDX-License-Identifier: Apache-2.0
// Splitting text into the words inside which BPE may merge, by regular expression.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace lethe::models {

/// A named pre-tokeniser (the value of tokenizer.ggml.pre). Thread-safe.
class PreTokenizer {
 public:
  /// Throws Error(kModel) for an unknown name, listing the known ones. `where` names the file.
  PreTokenizer(std::string_view name, std::string_view where);
  ~PreTokenizer();
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;

  /// Calls `word` with every piece of `text`, in order and without gaps. `text` must be UTF-8.
  void split(std::string_view text, const std::function<void(std::string_view)>& word) const;
  /// The expression, for hashing.
  std::string_view pattern() const { return pattern_; }

 private:
  struct Compiled;
  std::string_view pattern_;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace lethe::models
