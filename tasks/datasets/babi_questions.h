// SPDX-License-Identifier: Apache-2.0
// bAbI (Weston et al., arXiv 1502.05698): short stories of simple facts, with questions between.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lethe::tasks {

/// One question with the facts that stand before it in its story.
struct BabiQuestion {
  std::int64_t index = 0;  ///< of the question in its file, from 0
  std::int64_t story = 0;  ///< of its story in the file, from 0: questions of one share facts
  std::vector<std::string> facts;
  std::string question;
  std::string answer;                    ///< as in the file: "kitchen", "apple,milk" (qa8)
  std::vector<std::int64_t> supporting;  ///< indices into `facts`
};

/// Reads a file of a bAbI task, plain, .gz, .xz or a member of an archive, and makes a sample of
/// every question, as BABILong does (babilong_utils.py, get_dataset_df): its facts are all of the
/// story before it, without the other questions.
///
/// A line is "NUMBER text", or "NUMBER question \tanswer\tnumbers of supporting lines"; number 1
/// begins a story. Throws Error(kData) that names file and line: a line without a number, a number
/// that does not follow the one before, a question without a text, an answer or a fact before it,
/// supporting lines that are no facts, a file without a question.
std::vector<BabiQuestion> read_babi_questions(const std::filesystem::path& file);

}  // namespace lethe::tasks
