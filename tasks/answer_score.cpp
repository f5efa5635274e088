// SPDX-License-Identifier: Apache-2.0
#include "tasks/answer_score.h"

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

/// Numbers by name, those of nested objects too: {"detail": {"rouge1": 31}} gives rouge1, and
/// {"rouge1": {"p", "r", "f"}} gives its F.
void add_numbers(const json::object& from, double scale, json::object& out) {
  for (const auto& [name, value] : from) {
    if (value.is_number()) {
      out[name] = value.to_number<double>() / scale;
    } else if (const auto* object = value.if_object()) {
      if (const auto* f = object->if_contains("f"); f && f->is_number()) {
        out[name] = f->to_number<double>() / scale;
      } else {
        add_numbers(*object, scale, out);
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
    add_numbers(scored.more, scale, more);
    for (const auto& [name, number] : more) scores.all[full_name(metric.name, name)] = number;
  }
  return scores;
}

/// What metrics read of an answer.
json::object metric_sample(const std::string& answer, const json::value& references,
                           const json::value& classes) {
  json::object sample{{"prediction", answer}, {"references", references}};
  if (!classes.is_null()) sample["all_classes"] = classes;
  return sample;
}

}  // namespace

ScoredAnswer score_answer(const AnswerDeclaration& task, const AnswerRecord& record,
                          const std::string& text, const std::filesystem::path& root) {
  json::array metrics;
  for (const auto& use : task.metrics) {
    metrics.push_back(
        {{"name", use.name}, {"version", find_metric(use.name).version}, {"scale", use.scale}});
  }
  const std::string answer(task.answer == AnswerPart::kFirstLine ? first_line(text)
                                                                 : std::string_view(text));
  json::object output{
      {"text", text},
      {"answer", answer},
      {"references", json::array(record.references.begin(), record.references.end())},
      {"classes", nullptr},
      {"words", nullptr}};
  if (!record.classes.empty()) {
    output["classes"] = json::array(record.classes.begin(), record.classes.end());
  }
  if (record.words) output["words"] = *record.words;
  auto scores =
      compute(metrics, metric_sample(answer, output.at("references"), output.at("classes")),
              "task " + task.name + ": sample " + record.id, root);
  output["scores"] = std::move(scores.all);
  if (!scores.raises.empty()) output["raises"] = scores.raises;
  output["metrics"] = std::move(metrics);
  return {scores.first, std::move(output)};
}

std::optional<double> rescore_answer(const std::string& output, const std::filesystem::path& root) {
  const auto value = parse_json(output, "output", ErrorKind::kData);
  ObjectReader reader(value, "output", ErrorKind::kData);
  return compute(
             reader.array("metrics"),
             metric_sample(reader.string("answer"), reader.at("references"), reader.at("classes")),
             "output", root)
      .first;
}

void check_segmenters(const AnswerDeclaration& task, const std::filesystem::path& root) {
  for (const auto& use : task.metrics) {
    const auto words = find_metric(use.name).words;
    if (words == WordsNeeded::kChinese) segmenters_of(root).chinese();
    if (words == WordsNeeded::kJapanese) segmenters_of(root).japanese();
  }
}

}  // namespace lethe::tasks
