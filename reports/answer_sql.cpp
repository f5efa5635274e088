// SPDX-License-Identifier: Apache-2.0
#include "reports/answer_query.h"

namespace lethe::reports {
namespace {

/// Condition on `cells`, named `name`: the panel's own, or of them those of the full cache, by key.
/// Columns alone do not tell them: cells of other engines or weights have equal ones, and a cell
/// without a budget may come from another schedule.
std::string of_panel(const AnswerPanel& panel, const std::string& name, bool full_only = false) {
  std::string keys;
  for (const AnswerCell& cell : panel.cells) {
    if (full_only && !panel.columns[cell.column].full()) continue;
    keys += (keys.empty() ? "" : ",\n    ") + sql_quote(cell.key);
  }
  return name + ".cell_key IN (\n    " + keys + ")";
}

/// Score in points of the rows of a group, by the task's own aggregate. `samples` and `cells` name
/// the views.
std::string score_of(const std::string& samples, const std::string& cells) {
  const auto part = [&](const std::string& rouge) {
    return "avg(json_extract(" + samples + ".output, '$.scores." + rouge + "'))";
  };
  return "CASE json_extract(" + cells +
         ".inputs, '$.task.identity.aggregate')\n         WHEN 'mean' THEN 100 * sum(" + samples +
         ".score) / count(" + samples +
         ".score)\n         WHEN 'geometric-mean-of-corpus' THEN 100 * pow(" + part("rouge1") +
         "\n           * " + part("rouge2") + "\n           * " + part("rougeL") + ", 1.0 / 3) END";
}

}  // namespace

std::string scores_sql(const AnswerPanel& panel) {
  return "SELECT c.task, c.policy, c.budget, c.schedule, c.positions,\n       " +
         score_of("s", "c") +
         " AS score,\n       count(s.score) AS samples, count(DISTINCT s.cluster) AS documents,\n"
         "       avg(json_extract(s.output, '$.stop') = 'length') AS ended_by_length,\n"
         "       avg(s.kv_bytes) AS kv_bytes, c.status, c.cell_key\n"
         "FROM cells c JOIN samples s ON s.cell_key = c.cell_key\nWHERE " +
         of_panel(panel, "c") + "\nGROUP BY c.cell_key\nORDER BY c.task, c.policy, c.budget";
}

std::string score_differences_sql(const AnswerPanel& panel) {
  return "SELECT c.task, c.policy, c.budget,\n       " + score_of("x", "c") + "\n       - " +
         score_of("y", "c") +
         " AS difference,\n       count(*) AS samples, count(DISTINCT x.cluster) AS documents,\n"
         "       sum(x.score > y.score) AS better, sum(x.score < y.score) AS worse\n"
         "FROM cells c JOIN cells f ON f.task = c.task AND f.policy = 'full'\n"
         // The same version of the task.
         "     AND json_extract(f.inputs, '$.task.identity') =\n"
         "         json_extract(c.inputs, '$.task.identity')\n"
         "     AND json_extract(f.inputs, '$.chat_template_sha256') IS\n"
         "         json_extract(c.inputs, '$.chat_template_sha256')\n"
         "JOIN samples x ON x.cell_key = c.cell_key\n"
         "JOIN samples y ON y.cell_key = f.cell_key AND y.sample_id = x.sample_id\n"
         "     AND y.sample_hash = x.sample_hash\n"
         "WHERE c.policy <> 'full' AND x.score IS NOT NULL AND y.score IS NOT NULL AND\n  " +
         of_panel(panel, "c") + " AND\n  " + of_panel(panel, "f", true) +
         "\nGROUP BY c.cell_key, f.cell_key\nORDER BY c.task, c.policy, c.budget";
}

std::string length_scores_sql(const AnswerPanel& panel) {
  return "SELECT c.task,\n"
         "       CASE WHEN json_extract(s.output, '$.words') < 4000 THEN '0-4k'\n"
         "            WHEN json_extract(s.output, '$.words') < 8000 THEN '4-8k' ELSE '8k+' END\n"
         "       AS words, c.policy, c.budget,\n       " +
         score_of("s", "c") +
         " AS score, count(s.score) AS samples\n"
         "FROM cells c JOIN samples s ON s.cell_key = c.cell_key\n"
         "WHERE json_extract(s.output, '$.words') IS NOT NULL AND " +
         of_panel(panel, "c") + "\nGROUP BY c.cell_key, 2\nORDER BY c.task, 2, c.policy, c.budget";
}

std::string answers_sql(const AnswerPanel& panel) {
  return "SELECT c.task, s.sample_id, c.policy, c.budget, s.tokens_in, s.tokens_cut,\n"
         "       json_extract(s.output, '$.cut.from') AS cut_from, s.bos_count,\n"
         "       json_extract(s.output, '$.stop') AS stop, s.score,\n"
         "       json_extract(s.output, '$.answer') AS answer,\n"
         "       json_extract(s.output, '$.references') AS \"references\"\n"
         "FROM cells c JOIN samples s ON s.cell_key = c.cell_key\nWHERE " +
         of_panel(panel, "c") + "\nORDER BY c.task, s.sample_id, c.policy, c.budget";
}

}  // namespace lethe::reports
