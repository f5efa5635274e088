// SPDX-License-Identifier: Apache-2.0
// A task of questions and answers as a file declares it: data/tasks/NAME.json, or a user's own.
// docs/adding-a-task.md explains every member with examples.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "tasks/datasets/record_fields.h"

namespace lethe::tasks {

/// What is done with a prompt that is longer than the cell's length.
enum class CutRule {
  kMiddle,       ///< first and last half of its tokens stay (LongBench's pred.py)
  kDocumentEnd,  ///< the end of the document goes, what stands around it stays (ZeroSCROLLS)
};
std::string to_string(CutRule rule);

/// What is scored of a generated text.
enum class AnswerPart {
  kWhole,
  kFirstLine,  ///< up to the first line break, after leading ones are gone (LongBench's eval.py)
};

std::string to_string(AnswerPart part);

/// How the samples' values become the task's.
enum class Aggregate {
  kMean,
  /// (mean rouge1 x mean rouge2 x mean rougeL)^(1/3) over the corpus (SCROLLS, ZeroSCROLLS).
  kGeometricMeanOfCorpus,
};
std::string to_string(Aggregate aggregate);

struct MetricUse {
  std::string name;  ///< of tasks/metrics/metric.h
  double scale = 1;  ///< its values are divided by it, so that 1 is perfect
};

/// Scores outside are possible and unlikely: a report marks them, nothing else.
struct SanityBand {
  double least = 0, most = 1;
};

struct AnswerDeclaration {
  std::string name, title, source;
  std::string benchmark, group;  ///< where a report puts it: "LongBench", "Multi-Document QA"
  std::int64_t version = 1;      ///< raised by hand when the same file gives other numbers

  std::string dataset;                          ///< of data/datasets.json
  std::string file;                             ///< of that data set
  std::optional<std::filesystem::path> sample;  ///< records that ship with Lethe, below the root
  RecordFields records;

  std::string prompt;    ///< template with {names} of fields
  std::string document;  ///< the field that may be cut, and never is empty
  bool chat = true;      ///< in the model's chat template, where it has one
  CutRule cut = CutRule::kMiddle;
  std::string separator;        ///< stands where the document was cut (kDocumentEnd)
  bool reserve_answer = false;  ///< a prompt leaves room for the answer within the length

  std::int64_t max_new = 0;
  std::int64_t min_new = 0;        ///< no end before so many tokens
  std::vector<std::string> stops;  ///< texts that end an answer, not part of it
  std::string end_token_of;        ///< the last token of this text ends an answer as EOS does

  AnswerPart answer = AnswerPart::kWhole;
  std::vector<MetricUse> metrics;  ///< the first is the task's score
  Aggregate aggregate = Aggregate::kMean;
  std::optional<SanityBand> sanity;

  /// Canonical text of what may change numbers: all but titles and where the data lie.
  std::string content;
};

/// Reads a declaration; members that are not given may come from the file that "extends" names,
/// beside it. Throws Error(kConfig) naming file and member: unknown and missing members, names of
/// fields, metrics and rules that there are not (with a suggestion), a prompt without the document,
/// a circle of "extends".
AnswerDeclaration read_answer_declaration(const std::filesystem::path& file);

/// Files of data/tasks/ below `root` that declare a task, sorted. Those whose name begins with "_"
/// are there to be extended.
std::vector<std::filesystem::path> declared_tasks(const std::filesystem::path& root);

}  // namespace lethe::tasks
