// SPDX-License-Identifier: Apache-2.0
// From the result database to panels of answer cells, and the SQL that gives every table.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/store/run_store.h"
#include "reports/answer_data.h"
#include "reports/perplexity_query.h"

namespace lethe::reports {

/// Reads the selected cells whose task's identity is of the kind "answers", grouped so that no
/// panel mixes benchmarks or settings. A cell without a budget stands in every panel that differs
/// from it in schedule and positions only, where that panel has none of its own. Throws
/// Error(kStore) naming cell or sample and member where inputs or outputs are none of such a task.
std::vector<AnswerPanel> read_answer_panels(const store::RunStore& store,
                                            const Selection& selection);

/// One answer with its texts, for the audit.
struct AnswerText {
  std::string sample_id;
  std::string text;                     ///< what the model wrote
  std::string answer;                   ///< what of it was scored
  std::vector<std::string> references;  ///< at least one
  std::string stop;
  std::string prompt_sha256;
  std::string raises;  ///< why there is no score; "" where there is one
  std::optional<double> score;
  std::optional<std::int64_t> words;
  std::int64_t tokens_in = 0;
  std::int64_t tokens_cut = 0;
  std::optional<std::int64_t> cut_from;  ///< index of the first token that was cut
  std::int64_t bos_count = 0;
};

/// The answers of one cell in order of sample id, all or the first `limit`. Throws as above.
std::vector<AnswerText> read_answer_texts(const store::RunStore& store, const std::string& cell_key,
                                          std::optional<std::size_t> limit = std::nullopt);

// Queries over the cells of one panel, by their keys, for the reader to run.

/// One row per task and column: score in points, samples, documents, shares of stops, cells' keys.
std::string scores_sql(const AnswerPanel& panel);

/// One row per task, policy and budget: the score minus the full cache's on shared samples.
std::string score_differences_sql(const AnswerPanel& panel);

/// One row per task, bucket of record lengths and column.
std::string length_scores_sql(const AnswerPanel& panel);

/// One row per sample and column with what was read, cut, written and scored.
std::string answers_sql(const AnswerPanel& panel);

}  // namespace lethe::reports
