// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "harness/base/names.h"
#include "tasks/metrics/metric_families.h"
#include "tasks/metrics/porter_stemmer.h"
#include "tasks/metrics/rouge.h"
#include "tasks/metrics/token_f1.h"

namespace lethe::tasks {
namespace {

using Words = std::vector<std::string>;

struct JapaneseCase {
  Words prediction;
  std::vector<Words> references;
};

/// The case's own tokens where it brings them, MeCab's otherwise.
JapaneseCase japanese_case(ScoredCase& sample, const Segmenters& segmenters) {
  const auto tokens = [&](const json::value& value, std::string_view name) {
    Words words;
    const auto* list = value.if_array();
    if (list == nullptr || !std::ranges::all_of(*list, &json::value::is_string)) {
      throw Error(ErrorKind::kData, sample.where(name) + ": expected a list of texts");
    }
    for (const auto& word : *list) words.emplace_back(word.as_string());
    return words;
  };
  JapaneseCase cut;
  if (sample.has("prediction_tokens") && sample.has("reference_tokens")) {
    cut.prediction = tokens(sample.value("prediction_tokens"), "prediction_tokens");
    const json::value& references = sample.value("reference_tokens");
    if (!references.is_array() || references.as_array().empty()) {
      throw Error(ErrorKind::kData,
                  sample.where("reference_tokens") + ": expected at least one list of texts");
    }
    for (const auto& reference : references.as_array()) {
      cut.references.push_back(tokens(reference, "reference_tokens"));
    }
    return cut;
  }
  const auto& japanese = segmenters.japanese();
  cut.prediction = japanese.cut(sample.prediction());
  for (const auto& reference : sample.references()) {
    cut.references.push_back(japanese.cut(reference));
  }
  return cut;
}

Scored f1_ja(ScoredCase& sample, const Segmenters& segmenters) {
  const auto cut = japanese_case(sample, segmenters);
  double best = 0;
  for (const auto& reference : cut.references) {
    best = std::max(best, segmented_f1(cut.prediction, reference));
  }
  return {best, {}, {}};
}

Scored rouge_ja(ScoredCase& sample, const Segmenters& segmenters) {
  const auto cut = japanese_case(sample, segmenters);
  const std::string prediction = join(cut.prediction, " ");
  LongBenchRouge best;
  for (const auto& reference : cut.references) {
    const auto rouge = longbench_rouge(prediction, join(reference, " "), kRougeChineseRecursion);
    best.official = std::max(best.official, rouge.official);
    best.unbounded = std::max(best.unbounded, rouge.unbounded);
    best.overflow = best.overflow || rouge.overflow;
  }
  return {best.official,
          {},
          {{"score_unbounded", best.unbounded}, {"recursion_overflow", best.overflow}}};
}

Scored jieba_cut(ScoredCase& sample, const Segmenters& segmenters) {
  const std::string sentence = sample.text("sentence");
  const auto cut = [&](bool hmm) {
    const Words words = segmenters.chinese().cut(sentence, hmm);
    return json::array(words.begin(), words.end());
  };
  return {std::nullopt, {}, {{"tokens_hmm", cut(true)}, {"tokens_no_hmm", cut(false)}}};
}

Scored stem(ScoredCase& sample, const Segmenters&) {
  return {std::nullopt, {}, {{"stem", porter_stem(sample.text("word"))}}};
}

}  // namespace

std::vector<Metric> language_metrics() {
  const std::vector<std::string> reads{"prediction", "references", "prediction_tokens",
                                       "reference_tokens"};
  const std::string choubun = "ChouBun (SakanaAI/evo-memory) choubun_metrics.py at 3a0a6bd";
  return {{"qa_f1_ja_score", 1, "token F1 of MeCab's words", choubun, reads, WordsNeeded::kJapanese,
           f1_ja},
          {"rouge_ja_score", 1, "rouge_score over MeCab's words", choubun, reads,
           WordsNeeded::kJapanese, rouge_ja},
          {"jieba_cut",
           1,
           "no score: the words of \"sentence\"",
           "jieba 0.42.1",
           {"sentence"},
           WordsNeeded::kChinese,
           jieba_cut},
          {"nltk_porter_stem",
           1,
           "no score: the stem of \"word\"",
           "nltk 3.10.4 PorterStemmer",
           {"word"},
           WordsNeeded::kNone,
           stem}};
}

}  // namespace lethe::tasks
