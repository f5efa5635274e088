// SPDX-License-Identifier: Apache-2.0
// The score of one answer, and the same again from what was stored of it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "tasks/answer_declaration.h"

namespace lethe::tasks {

struct ScoredAnswer {
  std::optional<double> score;  ///< of the first metric; absent where the owner's program raises
  json::object output;          ///< text, answer, scores and what they follow from (answers.h)
};

/// `root` holds .deps/ with the dictionaries that some metrics cut words by.
ScoredAnswer score_answer(const AnswerDeclaration& task, const AnswerRecord& record,
                          const std::string& text, const std::filesystem::path& root);

/// The score that a stored output gives, after all of its other numbers have been computed again.
/// Throws Error(kData) where one of them is another than stored, for an output of another form, and
/// for one that was scored by another version of a metric.
std::optional<double> rescore_answer(const std::string& output, const std::filesystem::path& root);

/// Reads the dictionaries that the task's metrics need, so that a missing one is told before any
/// work. Throws as Segmenters do.
void check_segmenters(const AnswerDeclaration& task, const std::filesystem::path& root);

}  // namespace lethe::tasks
