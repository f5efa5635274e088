// SPDX-License-Identifier: Apache-2.0
// Every answer for the audit: all of them as CSV, the first ones as a page.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "harness/store/run_store.h"
#include "reports/answer_claims.h"
#include "reports/answer_query.h"
#include "reports/document.h"

namespace lethe::reports {

/// The page shows at most this many answers, so that it opens at once whatever the database holds.
inline constexpr std::size_t kAnswersOnPage = 800;

/// All answers of all panels, whole texts, one row each: CSV.
std::string answers_csv(const store::RunStore& store, std::span<const AnswerPanel> panels);

/// Answers of the first samples of every task side by side, each task folded away; as many samples
/// as kAnswersOnPage allows, at least one of each task. Texts are shortened, with control
/// characters made visible. `csv`: whether answers.csv stands beside the page.
Document answers_document(const store::RunStore& store, std::span<const AnswerPanel> panels,
                          const TaskClaims& claims, bool csv);

/// The reference that shares most pairs of neighbouring characters with the answer (Dice); the
/// first of equals. Metrics choose by their own rule: this is for the eye.
const std::string& nearest_reference(const std::string& answer,
                                     const std::vector<std::string>& references);

/// At most `limit` code points, then "…"; line breaks as "⏎", other control characters as their
/// pictures (U+2400 …).
std::string visible_text(std::string_view text, std::size_t limit);

}  // namespace lethe::reports
