// SPDX-License-Identifier: Apache-2.0
// Metrics by name: what each needs, its version, and its score of one case.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/json.h"
#include "tasks/metrics/chinese_words.h"
#include "tasks/metrics/japanese_words.h"

namespace lethe::tasks {

/// Which segmenter a metric cuts texts with.
enum class WordsNeeded { kNone, kChinese, kJapanese };

/// The segmenters, each read when the first metric asks for it. Thread-safe.
class Segmenters {
 public:
  /// `root` holds .deps/, where `./lethe setup` puts dictionaries.
  explicit Segmenters(std::filesystem::path root) : root_(std::move(root)) {}
  /// Throws Error as the segmenters' constructors do, and when jieba's files are not those of the
  /// version that scores are kept under.
  const ChineseWords& chinese() const;
  const JapaneseWords& japanese() const;

 private:
  std::filesystem::path root_;
  mutable std::mutex mutex_;
  mutable std::unique_ptr<ChineseWords> chinese_;
  mutable std::unique_ptr<JapaneseWords> japanese_;
};

/// Answers with the references of each; as many of the one as of the other.
struct Corpus {
  std::vector<std::string> predictions;
  std::vector<std::vector<std::string>> references;
};

/// The members of one case that metrics read. Getters throw Error(kData) naming the member, what
/// was expected and what was found.
class ScoredCase {
 public:
  /// `where` names the case in messages.
  ScoredCase(const json::value& value, std::string where)
      : reader_(value, std::move(where), ErrorKind::kData) {}

  std::string prediction() { return text("prediction"); }
  /// A list of texts with at least one; one text alone is a list of it.
  std::vector<std::string> references() { return texts("references"); }
  /// The only reference. Throws when there are several.
  std::string reference();
  std::string text(std::string_view name) { return reader_.string(name); }
  std::string text(std::string_view name, std::string_view fallback);
  std::vector<std::string> texts(std::string_view name);
  std::vector<double> numbers(std::string_view name);
  /// A list of lists of texts, one of each as above.
  std::vector<std::vector<std::string>> text_lists(std::string_view name);
  /// "predictions" and "references" of a whole task.
  Corpus corpus();
  const json::value& value(std::string_view name) { return reader_.at(name); }
  bool has(std::string_view name) const { return reader_.has(name); }
  std::string where(std::string_view name) const { return reader_.where(name); }

 private:
  std::vector<std::string> texts_of(const json::value& value, const std::string& where) const;
  ObjectReader reader_;
};

/// What a metric says of one case.
struct Scored {
  /// Absent where the owner's program raises an exception: `raised` says which.
  std::optional<double> score;
  std::string raised;
  json::object more;  ///< further numbers, by name
};

struct Metric {
  std::string name;
  int version = 1;  ///< raised whenever a score changes: part of a cell's key
  std::string summary;
  std::string source;              ///< the program it equals
  std::vector<std::string> reads;  ///< members of a case
  WordsNeeded words = WordsNeeded::kNone;
  Scored (*score)(ScoredCase& sample, const Segmenters& segmenters) = nullptr;
};

/// Every metric that scores answers, sorted by name.
const std::vector<Metric>& scoring_metrics();
/// Throws Error(kConfig) that suggests the nearest name.
const Metric& find_metric(std::string_view name);

}  // namespace lethe::tasks
