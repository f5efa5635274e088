// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <iostream>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/root.h"
#include "tasks/metrics/metric.h"

namespace lethe::cli {

namespace {

/// The lines of a file, or of standard input for "-". Only "\n" ends a line: texts hold raw U+0085
/// and U+2028.
class Lines {
 public:
  explicit Lines(const std::string& name) : name_(name == "-" ? "standard input" : name) {
    if (name == "-") return;
    file_.open(name, std::ios::binary);
    if (!file_ || std::filesystem::is_directory(name)) {
      throw Error(ErrorKind::kData, "cannot open " + name +
                                        "; expected a file of JSON lines, or - for standard input");
    }
  }

  bool next(std::string& line) {
    ++number_;
    return static_cast<bool>(std::getline(file_.is_open() ? file_ : std::cin, line));
  }
  std::string where() const { return name_ + ":" + std::to_string(number_); }

 private:
  std::string name_;
  std::ifstream file_;
  std::int64_t number_ = 0;
};

/// The case with its score: further numbers of the metric stand beside it, and where the owner's
/// program raises an exception, which one.
json::object scored_case(json::object object, tasks::Scored scored) {
  for (auto& [name, value] : scored.more) object[name] = std::move(value);
  object["score"] = scored.score ? json::value(*scored.score) : json::value(nullptr);
  if (!scored.raised.empty()) object["raises"] = scored.raised;
  return object;
}

json::object score_line(const std::string& line, const std::string& where,
                        const std::optional<std::string>& metric,
                        const tasks::Segmenters& segmenters) {
  auto value = parse_json(line, where, ErrorKind::kData);
  ObjectReader reader(value, where, ErrorKind::kData);
  if (!metric && !reader.has("metric")) {
    throw Error(ErrorKind::kData, where +
                                      ": expected a member \"metric\", because --metric is not "
                                      "given; known: ./lethe list metrics");
  }
  const std::string name = metric ? *metric : reader.string("metric");
  const tasks::Metric* found = nullptr;
  try {
    found = &tasks::find_metric(name);
  } catch (Error& error) {
    error.add_context(where);
    throw;
  }
  tasks::ScoredCase sample(value, where);
  auto scored = found->score(sample, segmenters);
  return scored_case(std::move(value.as_object()), std::move(scored));
}

int run(const Options& options) {
  const auto metric = options.find("metric");
  if (metric) tasks::find_metric(*metric);  // a slip is told before anything is read
  Lines lines(options.text("in", "-"));
  const std::string target = options.text("out", "-");
  const tasks::Segmenters segmenters(root_folder());
  std::string scored;
  std::string line;
  while (lines.next(line)) {
    if (line.empty()) continue;
    const auto object = score_line(line, lines.where(), metric, segmenters);
    scored += json::serialize(object) + "\n";
    if (target == "-") {
      std::cout << scored << std::flush;
      scored.clear();
    }
  }
  if (target != "-") write_file_atomically(target, scored);
  return kExitOk;
}

}  // namespace

Command score_command() {
  CommandSpec spec;
  spec.name = "score";
  spec.summary = "scores of answers in JSON lines, by the metrics of the benchmarks' owners";
  spec.description =
      "Each line is an object: \"prediction\", \"references\", what else the metric reads, and "
      "with\n"
      "no --metric a \"metric\". It comes out with \"score\" and the metric's further numbers. "
      "The\n"
      "score is null where the owner's own program raises an exception, which \"raises\" names.\n"
      "lethe list metrics says what each metric reads; docs/metrics.md what it equals.";
  spec.options = {{"metric", "NAME", "for all lines, whatever they say"},
                  {"in", "FILE", "lines to score (default: -, standard input)"},
                  {"out", "FILE", "where the scored lines go (default: -, standard output)"}};
  spec.examples = {
      {"one answer",
       "echo '{\"prediction\": \"The River Lethe.\", \"references\": [\"river Lethe\"]}' | lethe "
       "score --metric qa_f1_score"},
      {"a file whose lines name their metrics",
       "echo '{\"metric\": \"ruler_string_match_all\", \"prediction\": \"7, 9\", \"references\": "
       "[\"7\", \"8\"]}' > cases.jsonl && lethe score --in cases.jsonl --out scored.jsonl"}};
  return {spec, run, {}};
}

}  // namespace lethe::cli
