// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "harness/base/names.h"
#include "tasks/metrics/code_similarity.h"
#include "tasks/metrics/longbench.h"
#include "tasks/metrics/metric_families.h"
#include "tasks/metrics/rouge.h"
#include "tasks/metrics/token_f1.h"

namespace lethe::tasks {
namespace {

using Classes = std::vector<std::string>;

/// One answer against one reference.
using Pair = Scored (*)(std::string_view prediction, std::string_view reference,
                        const Classes& classes, const Segmenters& segmenters);

Scored pair_f1(std::string_view prediction, std::string_view reference, const Classes&,
               const Segmenters&) {
  return {qa_f1(prediction, reference), {}, {}};
}

Scored pair_f1_zh(std::string_view prediction, std::string_view reference, const Classes&,
                  const Segmenters& segmenters) {
  const auto& words = segmenters.chinese();
  return {segmented_f1(words.cut(prediction), words.cut(reference)), {}, {}};
}

Scored rouge_scored(const LongBenchRouge& rouge) {
  return {rouge.official,
          {},
          {{"score_unbounded", rouge.unbounded}, {"recursion_overflow", rouge.overflow}}};
}

Scored pair_rouge(std::string_view prediction, std::string_view reference, const Classes&,
                  const Segmenters&) {
  return rouge_scored(longbench_rouge(prediction, reference, kRougeRecursion));
}

Scored pair_rouge_zh(std::string_view prediction, std::string_view reference, const Classes&,
                     const Segmenters& segmenters) {
  const auto& words = segmenters.chinese();
  return rouge_scored(longbench_rouge(join(words.cut(prediction), " "),
                                      join(words.cut(reference), " "), kRougeChineseRecursion));
}

Scored pair_class(std::string_view prediction, std::string_view reference, const Classes& classes,
                  const Segmenters&) {
  return {classification_score(prediction, reference, classes), {}, {}};
}

Scored numbers(std::string_view prediction, std::string_view reference, std::string_view marker) {
  const auto share = number_share(prediction, reference, marker);
  return {share, share ? "" : "IndexError: the reference names no paragraph", {}};
}

Scored pair_retrieval(std::string_view prediction, std::string_view reference, const Classes&,
                      const Segmenters&) {
  return numbers(prediction, reference, "Paragraph ");
}

Scored pair_retrieval_zh(std::string_view prediction, std::string_view reference, const Classes&,
                         const Segmenters&) {
  return numbers(prediction, reference, "段落");
}

Scored pair_count(std::string_view prediction, std::string_view reference, const Classes&,
                  const Segmenters&) {
  return {count_score(prediction, reference), {}, {}};
}

Scored pair_code(std::string_view prediction, std::string_view reference, const Classes&,
                 const Segmenters&) {
  const auto line = first_code_line(prediction);
  const double difflib = fuzz_ratio(line, reference, difflib_ratio);
  const double levenshtein = fuzz_ratio(line, reference, levenshtein_ratio);
  return {difflib, {}, {{"score_difflib", difflib}, {"score_levenshtein", levenshtein}}};
}

/// The highest value over the references, of the score and of each further number; a sample raises
/// when one of its references does.
void take_best(Scored& best, Scored other) {
  if (!other.score || !best.score) {
    if (best.score) best = std::move(other);
    return;
  }
  best.score = std::max(*best.score, *other.score);
  for (const auto& [name, value] : other.more) {
    json::value& kept = best.more[name];
    if (value.is_bool()) {
      kept = value.as_bool() || (kept.is_bool() && kept.as_bool());
    } else {
      kept = std::max(value.as_double(), kept.is_double() ? kept.as_double() : 0.0);
    }
  }
}

Scored best_of(Pair pair, std::string_view prediction, std::string_view task,
               const std::vector<std::string>& references, const Classes& classes,
               const Segmenters& segmenters) {
  const auto answer = longbench_answer(prediction, task);
  Scored best{0.0, {}, {}};
  for (const auto& reference : references) {
    take_best(best, pair(answer, reference, classes, segmenters));
  }
  return best;
}

template <Pair pair>
Scored sample_score(ScoredCase& sample, const Segmenters& segmenters) {
  const Classes classes = pair == pair_class ? sample.texts("all_classes") : Classes{};
  return best_of(pair, sample.prediction(), sample.text("task", ""), sample.references(), classes,
                 segmenters);
}

struct TaskMetric {
  std::string_view task;
  Pair pair;
};

/// dataset2metric of eval.py.
constexpr TaskMetric kTasks[] = {{"narrativeqa", pair_f1},
                                 {"qasper", pair_f1},
                                 {"multifieldqa_en", pair_f1},
                                 {"multifieldqa_zh", pair_f1_zh},
                                 {"hotpotqa", pair_f1},
                                 {"2wikimqa", pair_f1},
                                 {"musique", pair_f1},
                                 {"dureader", pair_rouge_zh},
                                 {"gov_report", pair_rouge},
                                 {"qmsum", pair_rouge},
                                 {"multi_news", pair_rouge},
                                 {"vcsum", pair_rouge_zh},
                                 {"trec", pair_class},
                                 {"triviaqa", pair_f1},
                                 {"samsum", pair_rouge},
                                 {"lsht", pair_class},
                                 {"lcc", pair_code},
                                 {"repobench-p", pair_code},
                                 {"passage_count", pair_count},
                                 {"passage_retrieval_en", pair_retrieval},
                                 {"passage_retrieval_zh", pair_retrieval_zh}};

Pair pair_of_task(const std::string& task, const std::string& where) {
  const auto* found = std::ranges::find(kTasks, task, &TaskMetric::task);
  if (found != std::end(kTasks)) return found->pair;
  std::vector<std::string> known;
  for (const auto& entry : kTasks) known.emplace_back(entry.task);
  throw unknown_name(ErrorKind::kData, where + ": LongBench task", task, known);
}

Scored dataset_score(ScoredCase& sample, const Segmenters& segmenters) {
  const std::string task = sample.text("task");
  const Pair pair = pair_of_task(task, sample.where("task"));
  const Classes classes = pair == pair_class ? sample.texts("all_classes") : Classes{};
  const auto predictions = sample.texts("predictions");
  const auto references = sample.text_lists("references");
  const auto lengths = sample.has("lengths") ? sample.numbers("lengths") : std::vector<double>{};
  if (references.size() != predictions.size() ||
      (!lengths.empty() && lengths.size() != predictions.size())) {
    throw Error(ErrorKind::kData, sample.where("references") +
                                      ": expected one entry, and one of lengths where given, "
                                      "for each of " +
                                      std::to_string(predictions.size()) + " predictions, found " +
                                      std::to_string(references.size()) + " and " +
                                      std::to_string(lengths.size()));
  }
  std::vector<double> scores;
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    auto one = best_of(pair, predictions[i], task, references[i], classes, segmenters);
    if (!one.score) return one;
    scores.push_back(*one.score);
  }
  Scored scored{longbench_dataset_score(scores), {}, {}};
  if (!lengths.empty()) {
    const auto buckets = longbench_e_scores(scores, lengths);
    const auto value = [](const std::optional<double>& score) {
      return score ? json::value(*score) : json::value(nullptr);
    };
    scored.more["score_e"] = {{"0-4k", value(buckets.below_4k)},
                              {"4-8k", value(buckets.below_8k)},
                              {"8k+", value(buckets.above)}};
  }
  return scored;
}

}  // namespace

std::vector<Metric> longbench_metrics() {
  const std::string source = "LongBench (THUDM) metrics.py and eval.py at 2e00731";
  const std::vector<std::string> reads{"prediction", "references", "task"};
  const auto kinds = WordsNeeded::kNone;
  return {{"qa_f1_score", 1, "token F1 of normalised words", source, reads, kinds,
           sample_score<pair_f1>},
          {"qa_f1_zh_score", 1, "token F1 of jieba's words", source, reads, WordsNeeded::kChinese,
           sample_score<pair_f1_zh>},
          {"rouge_score", 1, "ROUGE-L F of the package rouge; 0 where Python's recursion overflows",
           source + "; rouge 1.0.1", reads, kinds, sample_score<pair_rouge>},
          {"rouge_zh_score", 1, "rouge_score over jieba's words", source + "; rouge 1.0.1", reads,
           WordsNeeded::kChinese, sample_score<pair_rouge_zh>},
          {"classification_score",
           1,
           "1 / number of classes named, when the right one is among them",
           source,
           {"prediction", "references", "all_classes", "task"},
           kinds,
           sample_score<pair_class>},
          {"retrieval_score", 1, "share of the numbers that are the paragraph's", source, reads,
           kinds, sample_score<pair_retrieval>},
          {"retrieval_zh_score", 1, "the same with Chinese references", source, reads, kinds,
           sample_score<pair_retrieval_zh>},
          {"count_score", 1, "share of the numbers that are the count", source, reads, kinds,
           sample_score<pair_count>},
          {"code_sim_score", 1,
           "edit similarity of the first code line, by difflib; by Levenshtein beside it",
           source + "; fuzzywuzzy 0.18.0", reads, kinds, sample_score<pair_code>},
          {"longbench_dataset_score",
           1,
           "score of a whole task, 0 to 100; with lengths also E's buckets",
           source,
           {"task", "predictions", "references", "lengths", "all_classes"},
           WordsNeeded::kChinese,
           dataset_score}};
}

}  // namespace lethe::tasks
