// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/rouge.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include "tasks/metrics/lcs.h"
#include "tasks/metrics/python_text.h"

namespace lethe::tasks {
namespace {

/// Pieces between "."; pieces of blanks stay and are one empty word.
std::vector<WordIds> sentences_of(std::string_view text, WordNumbers& numbers) {
  const std::u32string points = to_code_points(text);
  std::vector<WordIds> sentences;
  for (const auto piece : split_at(points, U'.')) {
    if (piece.empty()) continue;
    WordIds words;
    for (const auto word : python_split(piece)) words.push_back(numbers(to_utf8(word)));
    if (words.empty()) words.push_back(numbers(""));
    sentences.push_back(std::move(words));
  }
  return sentences;
}

WordIds joined(const std::vector<WordIds>& sentences) {
  WordIds words;
  for (const auto& sentence : sentences)
    words.insert(words.end(), sentence.begin(), sentence.end());
  return words;
}

/// Every n-gram once, sorted.
std::vector<WordIds> ngrams(const WordIds& words, std::size_t n) {
  std::vector<WordIds> grams;
  for (std::size_t i = 0; i + n <= words.size(); ++i) {
    const auto begin = words.begin() + static_cast<std::ptrdiff_t>(i);
    grams.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(n));
  }
  std::ranges::sort(grams);
  grams.erase(std::unique(grams.begin(), grams.end()), grams.end());
  return grams;
}

RougeScore score(std::size_t common, std::size_t hypothesis, std::size_t reference) {
  const auto share = [&](std::size_t all) {
    return all == 0 ? 0.0 : static_cast<double>(common) / static_cast<double>(all);
  };
  const double recall = share(reference);
  const double precision = share(hypothesis);
  return {recall, precision, 2.0 * ((precision * recall) / (precision + recall + 1e-8))};
}

RougeScore ngram_score(const WordIds& hypothesis, const WordIds& reference, std::size_t n) {
  const auto ours = ngrams(hypothesis, n);
  const auto theirs = ngrams(reference, n);
  std::vector<WordIds> common;
  std::ranges::set_intersection(ours, theirs, std::back_inserter(common));
  return score(common.size(), ours.size(), theirs.size());
}

/// The union, over all pairs of sentences, of the words of one common subsequence each. Pairs that
/// can neither add a word nor go deep are passed over: equal sentences, and those without a common
/// word that is still missing.
class SubsequenceUnion {
 public:
  SubsequenceUnion(std::vector<WordIds> hypothesis, std::vector<WordIds> reference,
                   std::size_t words)
      : hypothesis_(unique(std::move(hypothesis))),
        reference_(unique(std::move(reference))),
        holders_(words),
        found_(words, false) {
    for (std::size_t s = 0; s < hypothesis_.size(); ++s) {
      for (const WordId word : hypothesis_[s]) {
        auto& holders = holders_[word];
        if (holders.empty() || holders.back() != s) holders.push_back(s);
      }
    }
    std::ranges::for_each(reference_, [&](const WordIds& sentence) { meet(sentence); });
  }

  std::size_t size() const { return size_; }
  std::size_t recursion() const { return recursion_; }

 private:
  static std::vector<WordIds> unique(std::vector<WordIds> sentences) {
    std::ranges::sort(sentences, [](const WordIds& a, const WordIds& b) {
      return a.size() != b.size() ? a.size() > b.size() : a < b;
    });
    sentences.erase(std::unique(sentences.begin(), sentences.end()), sentences.end());
    return sentences;
  }

  void meet(const WordIds& reference) {
    const LcsColumns columns(reference);
    std::vector<bool> met(hypothesis_.size(), false);
    // Pairs that may go too deep; a walk takes at most the sum of both lengths, longest come first.
    const auto deep = [&](std::size_t s) {
      return hypothesis_[s].size() + reference.size() > kRougeChineseRecursion;
    };
    for (std::size_t s = 0; s < hypothesis_.size() && deep(s); ++s) {
      met[s] = true;
      meet(s, columns);
    }
    for (const WordId word : columns.elements()) {
      for (std::size_t at = 0; !found_[word] && at < holders_[word].size(); ++at) {
        const std::size_t s = holders_[word][at];
        if (met[s]) continue;
        met[s] = true;
        meet(s, columns);
      }
    }
  }

  void meet(std::size_t s, const LcsColumns& columns) {
    const LcsWalk walk = columns.walk(hypothesis_[s]);
    recursion_ = std::max(recursion_, walk.steps);
    for (const std::size_t row : walk.rows) {
      const WordId word = hypothesis_[s][row];
      size_ += found_[word] ? 0 : 1;
      found_[word] = true;
    }
  }

  std::vector<WordIds> hypothesis_;
  std::vector<WordIds> reference_;
  std::vector<std::vector<std::size_t>> holders_;  ///< word -> hypothesis sentences
  std::vector<bool> found_;
  std::size_t size_ = 0;
  std::size_t recursion_ = 0;
};

}  // namespace

PackageRouge package_rouge(std::string_view hypothesis, std::string_view reference) {
  WordNumbers numbers;
  auto ours = sentences_of(hypothesis, numbers);
  auto theirs = sentences_of(reference, numbers);
  PackageRouge rouge;
  rouge.empty = ours.empty() || theirs.empty();
  if (rouge.empty) return rouge;
  const WordIds our_words = joined(ours);
  const WordIds their_words = joined(theirs);
  rouge.one = ngram_score(our_words, their_words, 1);
  rouge.two = ngram_score(our_words, their_words, 2);
  const SubsequenceUnion common(std::move(ours), std::move(theirs), numbers.size());
  const auto different = [](const WordIds& words) {
    return std::unordered_set<WordId>(words.begin(), words.end()).size();
  };
  rouge.l = score(common.size(), different(our_words), different(their_words));
  rouge.recursion = common.recursion();
  return rouge;
}

LongBenchRouge longbench_rouge(std::string_view prediction, std::string_view reference,
                               std::size_t recursion_limit) {
  const PackageRouge rouge = package_rouge(prediction, reference);
  const bool overflow = rouge.recursion > recursion_limit;
  return {overflow ? 0 : rouge.l.f, rouge.l.f, overflow};
}

}  // namespace lethe::tasks
