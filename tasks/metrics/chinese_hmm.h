// SPDX-License-Identifier: Apache-2.0
// jieba's hidden Markov model of word boundaries, for characters that no dictionary word covers.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lethe::tasks {

/// States B, E, M, S: a character begins a word, ends it, is within it, or is a word by itself.
class ChineseHmm {
 public:
  /// Reads prob_start.py, prob_trans.py and prob_emit.py of jieba's folder `finalseg`.
  /// Throws Error(kData) naming file and line when one is missing or is not what jieba 0.42.1 has.
  explicit ChineseHmm(const std::filesystem::path& folder);

  /// The words of a text that no dictionary word covers: runs of U+4E00..U+9FD5 by the most likely
  /// states, else runs of ASCII letters and digits with a fraction and "%" ("25.89%") together.
  void cut(std::u32string_view text, std::vector<std::u32string_view>& words) const;

 private:
  static constexpr std::size_t kStates = 4;
  using PerState = std::array<double, kStates>;

  void cut_ideographs(std::u32string_view text, std::vector<std::u32string_view>& words) const;

  PerState start_{};
  std::array<PerState, kStates> transition_{};
  std::unordered_map<char32_t, PerState> emission_;
};

/// A character of U+4E00..U+9FD5.
bool is_jieba_ideograph(char32_t c);

}  // namespace lethe::tasks
