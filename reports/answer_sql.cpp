// SPDX-License-Identifier: Apache-2.0
#include "reports/answer_query.h"

namespace lethe::reports {
namespace {

/// Condition on the columns of `cells`, written as `name`. Schedule and positions are left to the
/// output columns: a cell without a budget may come from another one.
std::string of_panel(const Selection& selection, const AnswerPanel& panel,
                     const std::string& name) {
  const Settings& s = panel.settings;
  const std::string from = name + ".";
  return "json_extract(" + from +
         "inputs, '$.task.identity.kind') = 'answers'\n  AND json_extract(" + from +
         "inputs, '$.task.identity.benchmark') = " + sql_quote(panel.benchmark) + "\n  AND " +
         from + "model = " + sql_quote(s.model) + " AND " + from +
         "length = " + std::to_string(s.length) + " AND " + from + "dtype = " + sql_quote(s.dtype) +
         " AND " + from + "kv_dtype = " + sql_quote(s.kv_dtype) + " AND " + from +
         "seed = " + std::to_string(s.seed) + "\n  AND " + from + "cell_key IN (" +
         cell_keys_sql(selection) + ")";
}

/// Score in points of the rows of a group, by the task's own aggregate. `samples` and `cells` name
/// the views.
std::string score_of(const std::string& samples, const std::string& cells) {
  const auto part = [&](const std::string& rouge) {
    return "avg(json_extract(" + samples + ".output, '$.scores." + rouge + "'))";
  };
  return "CASE json_extract(" + cells +
         ".inputs, '$.task.identity.aggregate')\n         WHEN 'mean' THEN 100 * sum(" + samples +
         ".score) / count(" + samples + ".score)\n         ELSE 100 * pow(" + part("rouge1") +
         "\n           * " + part("rouge2") + "\n           * " + part("rougeL") + ", 1.0 / 3) END";
}

}  // namespace

std::string scores_sql(const Selection& selection, const AnswerPanel& panel) {
  return "SELECT c.task, c.policy, c.budget, c.schedule, c.positions,\n       " +
         score_of("s", "c") +
         " AS score,\n       count(s.score) AS samples, count(DISTINCT s.cluster) AS documents,\n"
         "       avg(json_extract(s.output, '$.stop') = 'length') AS ended_by_length,\n"
         "       avg(s.kv_bytes) AS kv_bytes, c.status, c.cell_key\n"
         "FROM cells c JOIN samples s ON s.cell_key = c.cell_key\nWHERE " +
         of_panel(selection, panel, "c") +
         "\nGROUP BY c.cell_key\nORDER BY c.task, c.policy, c.budget";
}

std::string score_differences_sql(const Selection& selection, const AnswerPanel& panel) {
  return "SELECT c.task, c.policy, c.budget,\n       " + score_of("x", "c") + "\n       - " +
         score_of("y", "c") +
         " AS difference,\n       count(*) AS samples, count(DISTINCT x.cluster) AS documents,\n"
         "       sum(x.score > y.score) AS better, sum(x.score < y.score) AS worse\n"
         "FROM cells c JOIN samples x ON x.cell_key = c.cell_key\n"
         "JOIN samples y ON y.task = x.task AND y.model = x.model AND y.length = x.length AND\n"
         "     y.dtype = x.dtype AND y.seed = x.seed AND y.sample_id = x.sample_id AND\n"
         "     y.sample_hash = x.sample_hash AND y.policy = 'full'\n"
         "WHERE x.policy <> 'full' AND x.score IS NOT NULL AND y.score IS NOT NULL AND\n  " +
         of_panel(selection, panel, "c") + "\n  AND y.cell_key IN (" + cell_keys_sql(selection) +
         ")\nGROUP BY c.cell_key, y.cell_key\nORDER BY c.task, c.policy, c.budget";
}

std::string length_scores_sql(const Selection& selection, const AnswerPanel& panel) {
  return "SELECT c.task,\n"
         "       CASE WHEN json_extract(s.output, '$.words') < 4000 THEN '0-4k'\n"
         "            WHEN json_extract(s.output, '$.words') < 8000 THEN '4-8k' ELSE '8k+' END\n"
         "       AS words, c.policy, c.budget,\n       " +
         score_of("s", "c") +
         " AS score, count(s.score) AS samples\n"
         "FROM cells c JOIN samples s ON s.cell_key = c.cell_key\n"
         "WHERE json_extract(s.output, '$.words') IS NOT NULL AND " +
         of_panel(selection, panel, "c") +
         "\nGROUP BY c.cell_key, 2\nORDER BY c.task, 2, c.policy, c.budget";
}

std::string answers_sql(const Selection& selection, const AnswerPanel& panel) {
  return "SELECT c.task, s.sample_id, c.policy, c.budget, s.tokens_in, s.tokens_cut,\n"
         "       json_extract(s.output, '$.cut.from') AS cut_from, s.bos_count,\n"
         "       json_extract(s.output, '$.stop') AS stop, s.score,\n"
         "       json_extract(s.output, '$.answer') AS answer,\n"
         "       json_extract(s.output, '$.references') AS \"references\"\n"
         "FROM cells c JOIN samples s ON s.cell_key = c.cell_key\nWHERE " +
         of_panel(selection, panel, "c") + "\nORDER BY c.task, s.sample_id, c.policy, c.budget";
}

}  // namespace lethe::reports
