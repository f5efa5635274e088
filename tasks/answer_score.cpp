// SPDX-License-Identifier: Apache-2.0
#include "tasks/answer_score.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "harness/base/error.h"
#include "tasks/metrics/longbench.h"
#include "tasks/metrics/metric.h"

namespace lethe::tasks {

namespace {

/// Dictionaries are read once in a process, not once for every task.
const Segmenters& segmenters_of(const std::filesystem::path& root) {
  static std::mutex mutex;
  static std::map<std::filesystem::path, std::unique_ptr<Segmenters>> known;
  const std::scoped_lock lock(mutex);
  auto& segmenters = known[root];
  if (!segmenters) segmenters = std::make_unique<Segmenters>(root);
  return *segmenters;
}

/// Numbers by their path, but for "detail", which is where metrics put their parts: {"detail":
/// {"rouge1": 31}} gives rouge1. {"rouge1": {"p", "r", "f"}} gives its F.
void add_numbers(const json::object& from, const std::string& path, double scale,
                 json::object& out) {
  for (const auto& [key, value] : from) {
    const std::string name = path + std::string(key);
    if (value.is_number()) {
      out[name] = value.to_number<double>() / scale;
    } else if (const auto* object = value.if_object()) {
      if (const auto* f = object->if_contains("f"); f && f->is_number()) {
        out[name] = f->to_number<double>() / scale;
      } else {
        add_numbers(*object, name == "detail" ? path : name + ".", scale, out);
      }
    }
  }
}

/// Numbers a metric gives beside its score carry its own name where theirs says nothing.
std::string full_name(const std::string& metric, const std::string& name) {
  return name.starts_with("score_") ? metric + name.substr(std::string("score").size()) : name;
}

struct Scores {
  std::optional<double> first;
  json::object all;
  std::string raises;
};

Scores compute(const json::array& metrics, const json::object& sample, const std::string& where,
               const std::filesystem::path& root) {
  Scores scores;
  const json::value value(sample);
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    ObjectReader use(metrics[i], where + ": metrics", ErrorKind::kData);
    const Metric& metric = find_metric(use.string("name"));
    const double scale = use.number("scale");
    if (const auto version = use.integer("version"); version != metric.version) {
      throw Error(ErrorKind::kData, where + ": scored by version " + std::to_string(version) +
                                        " of " + metric.name + ", this program computes version " +
                                        std::to_string(metric.version) +
                                        "; run the cells again, or use the program that wrote it");
    }
    ScoredCase scored_case(value, where);
    const auto scored = metric.score(scored_case, segmenters_of(root));
    if (!scored.score) {
      scores.raises = scored.raised;
    } else {
      scores.all[metric.name] = *scored.score / scale;
      if (i == 0) scores.first = *scored.score / scale;
    }
    json::object more;
    add_numbers(scored.more, "", scale, more);
    for (const auto& [name, number] : more) {
      // The first metric's parts have plain names: a report forms means of rouge1 from them.
      const auto full = full_name(metric.name, name);
      scores.all[i == 0 || full.starts_with(metric.name) ? full : metric.name + "." + full] =
          number;
    }
  }
  return scores;
}

/// What metrics read of an answer.
json::object metric_sample(const std::string& answer, const json::value& references,
                           const json::value& classes, const json::value* question) {
  json::object sample{{"prediction", answer}, {"references", references}};
  if (!classes.is_null()) sample["all_classes"] = classes;
  if (question) sample["question"] = *question;
  return sample;
}

/// What of a text is scored.
std::string answer_of(const std::string& text, std::string_view part) {
  return std::string(part == to_string(AnswerPart::kFirstLine) ? first_line(text)
                                                               : std::string_view(text));
}

bool equal_within_rounding(const json::value* stored, double found) {
  constexpr double kRounding = 1e-12;
  return stored && stored->is_number() &&
         std::abs(stored->to_number<double>() - found) <=
             kRounding * std::max(1.0, std::abs(found));
}

}  // namespace

ScoredAnswer score_answer(const AnswerDeclaration& task, const AnswerRecord& record,
                          const std::string& text, const std::filesystem::path& root) {
  json::array metrics;
  for (const auto& use : task.metrics) {
    metrics.push_back(
        {{"name", use.name}, {"version", find_metric(use.name).version}, {"scale", use.scale}});
  }
  const std::string answer = answer_of(text, to_string(task.answer));
  json::object output{
      {"text", text},
      {"answer", answer},
      {"part", to_string(task.answer)},
      {"references", json::array(record.references.begin(), record.references.end())},
      {"classes", nullptr},
      {"words", nullptr}};
  if (!record.classes.empty()) {
    output["classes"] = json::array(record.classes.begin(), record.classes.end());
  }
  if (record.words) output["words"] = *record.words;
  if (record.question) output["question"] = *record.question;
  auto scores = compute(metrics,
                        metric_sample(answer, output.at("references"), output.at("classes"),
                                      output.if_contains("question")),
                        "task " + task.name + ": sample " + record.id, root);
  output["scores"] = std::move(scores.all);
  if (!scores.raises.empty()) output["raises"] = scores.raises;
  output["metrics"] = std::move(metrics);
  return {scores.first, std::move(output)};
}

std::optional<double> rescore_answer(const std::string& output, const std::filesystem::path& root) {
  const auto value = parse_json(output, "output", ErrorKind::kData);
  ObjectReader reader(value, "output", ErrorKind::kData);
  const auto answer = answer_of(reader.string("text"), reader.string("part"));
  if (answer != reader.string("answer")) {
    throw Error(ErrorKind::kData, "the answer is not what its text gives");
  }
  const auto again = compute(
      reader.array("metrics"),
      metric_sample(answer, reader.at("references"), reader.at("classes"), reader.find("question")),
      "output", root);
  ObjectReader stored(reader.at("scores"), "scores", ErrorKind::kData);
  for (const auto& [name, found] : again.all) {
    if (!equal_within_rounding(stored.find(name), found.as_double())) {
      throw Error(ErrorKind::kData, "its answer gives " + std::string(name) + " " +
                                        json::serialize(found) +
                                        ", stored is another value, or "
                                        "none");
    }
  }
  stored.finish();
  return again.first;
}

void check_segmenters(const AnswerDeclaration& task, const std::filesystem::path& root) {
  for (const auto& use : task.metrics) {
    const auto words = find_metric(use.name).words;
    if (words == WordsNeeded::kChinese) segmenters_of(root).chinese();
    if (words == WordsNeeded::kJapanese) segmenters_of(root).japanese();
  }
}

}  // namespace lethe::tasks
