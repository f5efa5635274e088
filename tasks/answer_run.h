// SPDX-License-Identifier: Apache-2.0
// Samples that are answered by generation: prompts in, scored answers out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "tasks/answer_declaration.h"
#include "tasks/answer_prompt.h"
#include "tasks/task.h"

namespace lethe::tasks {

/// One sample as it is asked.
struct AskedAnswer {
  AnswerRecord record;  ///< id, references, classes and question: fields are not read any more
  AnswerPrompt prompt;
  /// Tokens of the prompt that schedules cut after; 0: all of it.
  std::int64_t cut_after = 0;
  json::object more;  ///< members of the output beside those of every answer task
};

/// Makes the prompt of a sample. What it throws as Error(kData) leaves the sample without an
/// answer.
using AskAnswer = std::function<AskedAnswer(const std::string& sample_id)>;

/// Whether policy `truncate` is the cell's: the input is cut to the budget, and the cache is full.
bool cuts_input_to_budget(const RunSettings& settings);

/// What answers are generated with.
struct AnswerRun {
  const AnswerDeclaration& task;
  const models::Tokenizer& tokenizer;
  const models::Model& model;
  const RunSettings& settings;
  std::int64_t lanes = 8;
  const std::filesystem::path& root;  ///< holds .deps/ with the dictionaries of metrics
};

/// Answers the samples greedily under the cell's policy and reports each as it ends. Few prompts
/// are held at a time where they are long. Throws Error(kData), after all others have been
/// answered, where samples have no prompt.
void answer_samples(const AnswerRun& run, std::span<const std::string> sample_ids,
                    const AskAnswer& ask, const SampleHooks& hooks);

}  // namespace lethe::tasks
