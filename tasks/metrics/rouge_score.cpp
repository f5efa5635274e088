// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/rouge_score.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "harness/base/text.h"
#include "tasks/metrics/lcs.h"
#include "tasks/metrics/porter_stemmer.h"
#include "tasks/metrics/python_text.h"

namespace lethe::tasks {
namespace {

constexpr std::size_t kShortestStemmed = 4;

WordIds words_of(std::string_view text, bool stemmer, WordNumbers& numbers) {
  const std::string lowered = python_lower(text);
  const auto in_word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  WordIds words;
  for (auto at = lowered.begin(); at != lowered.end();) {
    at = std::find_if(at, lowered.end(), in_word);
    const auto end = std::find_if_not(at, lowered.end(), in_word);
    if (at == end) break;
    const std::string word(at, end);
    words.push_back(numbers(stemmer && word.size() >= kShortestStemmed ? porter_stem(word) : word));
    at = end;
  }
  return words;
}

/// Lines that are not empty; one without a word stays, as an empty list.
std::vector<WordIds> lines_of(std::string_view text, bool stemmer, WordNumbers& numbers) {
  std::vector<WordIds> lines;
  for (const auto& line : split(text, '\n')) {
    if (!line.empty()) lines.push_back(words_of(line, stemmer, numbers));
  }
  return lines;
}

RougeParts parts(std::size_t hits, std::size_t prediction, std::size_t reference) {
  const double precision =
      static_cast<double>(hits) / static_cast<double>(std::max<std::size_t>(prediction, 1));
  const double recall =
      static_cast<double>(hits) / static_cast<double>(std::max<std::size_t>(reference, 1));
  const double sum = precision + recall;
  return {precision, recall, sum > 0 ? 2 * precision * recall / sum : 0};
}

using NgramCounts = std::map<std::pair<WordId, WordId>, std::size_t>;

/// Counts of words (n = 1, the second of each pair 0) or of pairs of neighbours (n = 2).
NgramCounts count_ngrams(const WordIds& words, std::size_t n) {
  NgramCounts counts;
  for (std::size_t i = 0; i + n <= words.size(); ++i) {
    ++counts[{words[i], n == 2 ? words[i + 1] : 0}];
  }
  return counts;
}

RougeParts ngram_rouge(const WordIds& prediction, const WordIds& reference, std::size_t n) {
  const auto ours = count_ngrams(prediction, n);
  std::size_t hits = 0;
  for (const auto& [gram, count] : count_ngrams(reference, n)) {
    const auto found = ours.find(gram);
    if (found != ours.end()) hits += std::min(count, found->second);
  }
  const auto grams = [n](const WordIds& words) {
    return words.size() < n ? 0 : words.size() - n + 1;
  };
  return parts(hits, grams(prediction), grams(reference));
}

/// Places of a reference line that are in a common subsequence with one of the prediction's lines.
class LineUnion {
 public:
  explicit LineUnion(std::vector<WordIds> prediction, std::size_t words) : holders_(words) {
    std::ranges::sort(prediction);
    prediction.erase(std::unique(prediction.begin(), prediction.end()), prediction.end());
    for (const auto& line : prediction) {
      lines_.emplace_back(line);
      for (const WordId word : lines_.back().elements()) {
        holders_[word].push_back(lines_.size() - 1);
      }
    }
  }

  std::vector<bool> places(const WordIds& reference) const {
    std::vector<bool> in_union(reference.size(), false);
    std::vector<bool> met(lines_.size(), false);
    WordIds words = reference;
    std::ranges::sort(words);
    words.erase(std::unique(words.begin(), words.end()), words.end());
    for (const WordId word : words) {
      for (const std::size_t line : holders_[word]) {
        if (met[line]) continue;
        met[line] = true;
        for (const std::size_t place : lines_[line].walk(reference).rows) in_union[place] = true;
      }
    }
    return in_union;
  }

 private:
  std::vector<LcsColumns> lines_;
  std::vector<std::vector<std::size_t>> holders_;  ///< word -> prediction lines
};

std::vector<std::size_t> word_counts(const std::vector<WordIds>& lines, std::size_t words) {
  std::vector<std::size_t> counts(words);
  for (const auto& line : lines) {
    for (const WordId word : line) ++counts[word];
  }
  return counts;
}

std::size_t total(const std::vector<WordIds>& lines) {
  std::size_t sum = 0;
  for (const auto& line : lines) sum += line.size();
  return sum;
}

RougeParts summary_rouge(const std::vector<WordIds>& prediction,
                         const std::vector<WordIds>& reference, std::size_t words) {
  const std::size_t ours = total(prediction);
  const std::size_t theirs = total(reference);
  if (ours == 0 || theirs == 0) return {};
  // A word counts only while both sides have unused copies of it.
  auto left_here = word_counts(prediction, words);
  auto left_there = word_counts(reference, words);
  const LineUnion common(prediction, words);
  std::map<WordIds, std::vector<bool>> seen;
  std::size_t hits = 0;
  for (const auto& line : reference) {
    auto at = seen.find(line);
    if (at == seen.end()) at = seen.emplace(line, common.places(line)).first;
    for (std::size_t place = 0; place < line.size(); ++place) {
      const WordId word = line[place];
      if (!at->second[place] || left_here[word] == 0 || left_there[word] == 0) continue;
      --left_here[word];
      --left_there[word];
      ++hits;
    }
  }
  return parts(hits, ours, theirs);
}

}  // namespace

RougeTypes google_rouge(std::string_view prediction, std::string_view reference, bool stemmer) {
  WordNumbers numbers;
  const WordIds ours = words_of(prediction, stemmer, numbers);
  const WordIds theirs = words_of(reference, stemmer, numbers);
  const auto our_lines = lines_of(prediction, stemmer, numbers);
  const auto their_lines = lines_of(reference, stemmer, numbers);
  return {ngram_rouge(ours, theirs, 1), ngram_rouge(ours, theirs, 2),
          parts(LcsColumns(ours).length(theirs), ours.size(), theirs.size()),
          summary_rouge(our_lines, their_lines, numbers.size())};
}

BestRouge best_google_rouge(std::string_view prediction, const std::vector<std::string>& references,
                            bool stemmer) {
  BestRouge best;
  for (std::size_t r = 0; r < references.size(); ++r) {
    const RougeTypes scores = google_rouge(prediction, references[r], stemmer);
    for (std::size_t type = 0; type < scores.size(); ++type) {
      best.mean_f[type] += scores[type].f / static_cast<double>(references.size());
      if (r > 0 && scores[type].f <= best.scores[type].f) continue;
      best.scores[type] = scores[type];
      best.reference[type] = r;
    }
  }
  return best;
}

double rouge_geometric_mean(double rouge1, double rouge2, double rouge_l) {
  return std::pow(rouge1 * rouge2 * rouge_l, 1.0 / 3.0);
}

}  // namespace lethe::tasks
