// SPDX-License-Identifier: Apache-2.0
// Chinese words as jieba 0.42.1 cuts them, with its dictionary and its model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tasks/metrics/chinese_hmm.h"

namespace lethe::tasks {

/// jieba.cut(text, cut_all=False, HMM=hmm). Immutable after construction: thread-safe.
class ChineseWords {
 public:
  /// `folder` holds dict.txt and finalseg/ of jieba 0.42.1. Throws Error(kData) naming file and
  /// line when a file is missing or damaged.
  explicit ChineseWords(const std::filesystem::path& folder);

  /// The words of valid UTF-8 in order; joined they are the text.
  std::vector<std::string> cut(std::string_view text, bool hmm = true) const;

 private:
  /// A node of the dictionary's trie. Frequency 0: a beginning of words, and no word.
  struct Node {
    std::int64_t frequency = 0;
    double log_share = 0;  ///< log(frequency or 1) - log(total), as jieba adds it
  };

  std::uint32_t child(std::uint32_t node, char32_t c) const;
  bool is_word(std::u32string_view text) const;
  std::vector<std::size_t> best_ends(std::u32string_view block) const;
  void cut_block(std::u32string_view block, bool hmm,
                 std::vector<std::u32string_view>& words) const;

  std::vector<Node> nodes_;
  std::unordered_map<std::uint64_t, std::uint32_t> children_;  ///< (node, character) -> node
  double unseen_ = 0;  ///< the share of a character that is no word
  ChineseHmm model_;
};

}  // namespace lethe::tasks
