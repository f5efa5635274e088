// SPDX-License-Identifier: Apache-2.0
// Encoding a text word by word, each different word once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/tokenizer/word_model.h"

namespace lethe::models {

/// A map by text that is searched without making strings.
struct TextHash : std::hash<std::string_view> {
  using is_transparent = void;
};
template <typename Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

/// Ids of the words of one text that were met before: most words occur again.
class SeenWords {
 public:
  explicit SeenWords(const WordModel& model) : model_(model) {}

  /// Appends the ids of a word, or of a whole text where nothing splits it into words.
  void encode(std::string_view text, std::vector<std::int64_t>& ids) {
    model_.cut(text, [&](std::string_view word) { encode_word(word, ids); });
  }

 private:
  struct Place {
    std::size_t begin;
    std::size_t count;
  };

  void encode_word(std::string_view word, std::vector<std::int64_t>& ids) {
    constexpr std::size_t kLongestRemembered = 128;
    scratch_.clear();
    if (word.size() > kLongestRemembered) {
      model_.encode(word, scratch_);
      ids.insert(ids.end(), scratch_.begin(), scratch_.end());
      return;
    }
    auto known = seen_.find(word);
    if (known == seen_.end()) {
      model_.encode(word, scratch_);
      const Place place{all_.size(), scratch_.size()};
      all_.insert(all_.end(), scratch_.begin(), scratch_.end());
      known = seen_.emplace(std::string(word), place).first;
    }
    const auto begin = all_.begin() + static_cast<std::ptrdiff_t>(known->second.begin);
    ids.insert(ids.end(), begin, begin + static_cast<std::ptrdiff_t>(known->second.count));
  }

  const WordModel& model_;
  TextMap<Place> seen_;
  std::vector<std::int32_t> all_;
  std::vector<std::int32_t> scratch_;
};

}  // namespace lethe::models
