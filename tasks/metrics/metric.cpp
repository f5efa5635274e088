// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/metric.h"

#include <algorithm>
#include <iterator>

#include "harness/base/hash.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "tasks/metrics/metric_families.h"

namespace lethe::tasks {

namespace {

struct PinnedFile {
  const char* name;
  const char* sha256;
};

/// Scores are stored under the metric's version alone, so no other words may stand behind it.
constexpr PinnedFile kJieba[] = {
    {"dict.txt", "7197c3211ddd98962b036cdf40324d1ea2bfaa12bd028e68faa70111a88e12a8"},
    {"finalseg/prob_start.py", "14c5706ced5cd3b42eb4873d4b88f7f52a7bdf80fbd767bc4423d361e20c5330"},
    {"finalseg/prob_trans.py", "54dfbc252ed71480d4f0cdfdf516ecfbe44efd0f6c3c64b158e7039f2906c91b"},
    {"finalseg/prob_emit.py", "27d46b1c9efe4dd148fde8be042a21be40e3562d0c7f1273f9de7abae12ebb8d"}};

std::unique_ptr<ChineseWords> open_jieba(const std::filesystem::path& folder) {
  for (const PinnedFile& file : kJieba) {
    const auto path = folder / file.name;
    if (!std::filesystem::exists(path)) {
      throw Error(ErrorKind::kConfig, "Chinese words need jieba's dictionary and model: expected " +
                                          path.string() + "; ./lethe setup fetches it");
    }
    const auto found = sha256_hex(read_file(path, ErrorKind::kData));
    if (found != file.sha256) {
      throw Error(ErrorKind::kData, path.string() +
                                        ": expected the file of jieba 0.42.1, SHA-256 " +
                                        file.sha256 + ", found " + found + "; remove " +
                                        folder.string() + " and run ./lethe setup");
    }
  }
  return std::make_unique<ChineseWords>(folder);
}

}  // namespace

const ChineseWords& Segmenters::chinese() const {
  const std::lock_guard lock(mutex_);
  if (!chinese_) chinese_ = open_jieba(root_ / ".deps/jieba");
  return *chinese_;
}

const JapaneseWords& Segmenters::japanese() const {
  const std::lock_guard lock(mutex_);
  if (!japanese_) japanese_ = std::make_unique<JapaneseWords>(root_ / ".deps/unidic-lite/dicdir");
  return *japanese_;
}

std::string ScoredCase::reference() {
  auto all = references();
  if (all.size() != 1) {
    throw Error(ErrorKind::kData,
                where("references") + ": expected one text, found " + std::to_string(all.size()));
  }
  return std::move(all.front());
}

std::string ScoredCase::text(std::string_view name, std::string_view fallback) {
  const json::value* value = reader_.find(name);
  return value == nullptr || value->is_null() ? std::string(fallback) : reader_.string(name);
}

std::vector<std::string> ScoredCase::texts(std::string_view name) {
  return texts_of(reader_.at(name), reader_.where(name));
}

std::vector<std::string> ScoredCase::texts_of(const json::value& value,
                                              const std::string& where) const {
  if (value.is_string()) return {std::string(value.as_string())};
  std::vector<std::string> texts;
  const auto* list = value.if_array();
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    if (!(*list)[i].is_string()) {
      throw Error(ErrorKind::kData, where + "[" + std::to_string(i) +
                                        "]: expected a string, found " +
                                        std::string(describe_type((*list)[i])));
    }
    texts.emplace_back((*list)[i].as_string());
  }
  if (texts.empty()) {
    throw Error(ErrorKind::kData, where + ": expected a list of at least one text, found " +
                                      std::string(list ? "an empty one" : describe_type(value)));
  }
  return texts;
}

std::vector<double> ScoredCase::numbers(std::string_view name) {
  std::vector<double> numbers;
  for (const auto& value : reader_.array(name)) {
    if (!value.is_number()) {
      throw Error(ErrorKind::kData,
                  where(name) + ": expected numbers, found " + std::string(describe_type(value)));
    }
    numbers.push_back(value.to_number<double>());
  }
  return numbers;
}

std::vector<std::vector<std::string>> ScoredCase::text_lists(std::string_view name) {
  std::vector<std::vector<std::string>> lists;
  const auto& array = reader_.array(name);
  for (std::size_t i = 0; i < array.size(); ++i) {
    lists.push_back(texts_of(array[i], where(name) + "[" + std::to_string(i) + "]"));
  }
  return lists;
}

Corpus ScoredCase::corpus() {
  Corpus corpus{texts("predictions"), text_lists("references")};
  if (corpus.predictions.size() != corpus.references.size()) {
    throw Error(ErrorKind::kData, where("references") + ": expected one list for each of " +
                                      std::to_string(corpus.predictions.size()) +
                                      " predictions, found " +
                                      std::to_string(corpus.references.size()));
  }
  return corpus;
}

const std::vector<Metric>& scoring_metrics() {
  static const std::vector<Metric> kMetrics = [] {
    std::vector<Metric> all;
    for (const auto family : {longbench_metrics, summary_metrics, answer_metrics, synthetic_metrics,
                              infinitebench_metrics, language_metrics}) {
      std::ranges::move(family(), std::back_inserter(all));
    }
    std::ranges::sort(all, {}, &Metric::name);
    return all;
  }();
  return kMetrics;
}

const Metric& find_metric(std::string_view name) {
  const auto& all = scoring_metrics();
  const auto found = std::ranges::lower_bound(all, name, {}, &Metric::name);
  if (found != all.end() && found->name == name) return *found;
  std::vector<std::string> known;
  for (const auto& metric : all) known.push_back(metric.name);
  throw unknown_name(ErrorKind::kConfig, "metric", name, known);
}

}  // namespace lethe::tasks
