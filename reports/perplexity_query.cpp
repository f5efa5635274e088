// SPDX-License-Identifier: Apache-2.0
#include "reports/perplexity_query.h"

#include <algorithm>
#include <map>
#include <set>

#include "harness/base/json.h"

namespace lethe::reports {
namespace {

/// Condition on a column `cell_key`.
std::string selected(const Selection& selection) {
  if (selection.cell_keys.empty()) {
    return "cell_key IN (SELECT cell.key FROM suite_cell JOIN cell ON cell.id = "
           "suite_cell.cell_id\n"
           "                   WHERE suite_cell.suite = " +
           sql_quote(selection.suite) + ")";
  }
  std::string list;
  for (const std::string& key : selection.cell_keys) {
    list += (list.empty() ? "" : ",\n    ") + sql_quote(key);
  }
  return "cell_key IN (" + list + ")";
}

/// Schedule and positions are left to the output columns: the full cache may come from another one.
std::string of_panel(const Settings& settings) {
  return "task = " + sql_quote(settings.task) + " AND model = " + sql_quote(settings.model) +
         " AND length = " + std::to_string(settings.length) +
         " AND dtype = " + sql_quote(settings.dtype) +
         " AND seed = " + std::to_string(settings.seed);
}

std::string variant_of(const std::string& inputs) {
  json::object rest = parse_json(inputs, "cell inputs", ErrorKind::kStore).as_object();
  for (const char* axis :
       {"policy", "budget", "schedule", "positions", "plugin_sha256", "policy_content_sha256"})
    rest.erase(axis);
  return canonical_json(rest);
}

Settings settings_of(const store::CellRecord& record) {
  return {.task = record.task,
          .model = record.model,
          .length = record.length,
          .schedule = record.schedule,
          .positions = record.positions,
          .dtype = record.dtype,
          .kv_dtype = record.kv_dtype,
          .seed = record.seed,
          .variant = variant_of(record.inputs)};
}

std::map<std::string, std::vector<SampleValue>> selected_samples(const store::RunStore& store,
                                                                 const Selection& selection) {
  const auto result = store.query(
      "SELECT cell_key, sample_id, sample_hash, cluster, tokens_scored, nll_sum FROM samples\n"
      "WHERE nll_sum IS NOT NULL AND tokens_scored > 0 AND " +
      selected(selection) + "\nORDER BY cell_key, sample_id");
  std::map<std::string, std::vector<SampleValue>> samples;
  for (const auto& row : result.rows) {
    const auto text = [&](std::size_t i) { return std::string(row[i].as_string()); };
    // An overflowed sum arrives as text (JSON has no infinity) and is left out like a missing one.
    if (!row[5].is_double()) continue;
    samples[text(0)].push_back({.id = text(1),
                                .hash = text(2),
                                .cluster = text(3),
                                .tokens = row[4].as_int64(),
                                .nll = row[5].as_double()});
  }
  return samples;
}

bool same_but_schedule(Settings a, const Settings& b) {
  a.schedule = b.schedule;
  a.positions = b.positions;
  return a == b;
}

Panel& panel_for(std::vector<Panel>& panels, const Settings& settings) {
  const auto at = std::find_if(panels.begin(), panels.end(),
                               [&](const Panel& panel) { return panel.settings == settings; });
  if (at != panels.end()) return *at;
  panels.push_back({.settings = settings, .cells = {}});
  return panels.back();
}

}  // namespace

std::string sql_quote(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

std::string condition_sql(const Selection& selection, const Settings& settings) {
  return of_panel(settings) + "\n  AND " + selected(selection);
}

std::vector<store::StoredCell> selected_cells(const store::RunStore& store,
                                              const Selection& selection) {
  if (selection.cell_keys.empty()) return store.cells(selection.suite);
  std::vector<store::StoredCell> cells;
  for (const std::string& key : selection.cell_keys) {
    auto cell = store.cell(key);
    if (!cell) {
      throw Error(ErrorKind::kConfig, "the report asks for cell " + key.substr(0, 12) +
                                          "…, which is not in " + store.path().string() +
                                          "; run the suite first");
    }
    cells.push_back(std::move(*cell));
  }
  return cells;
}

std::string cell_keys_sql(const Selection& selection) {
  return "SELECT cell_key FROM cells WHERE " + selected(selection);
}

std::string perplexity_sql(const Selection& selection, const Settings& settings) {
  return "SELECT policy, budget, schedule, positions, value AS perplexity, stderr, n, clusters, "
         "tokens, status, cell_key\nFROM results\nWHERE metric = 'ppl' AND " +
         condition_sql(selection, settings) + "\nORDER BY policy, budget";
}

std::string averages_sql(const Selection& selection, const Settings& settings) {
  return "SELECT policy, budget, schedule, positions,\n"
         "       max(CASE metric WHEN 'mean_nll' THEN value END) AS mean_nll,\n"
         "       max(CASE metric WHEN 'ppl' THEN value END) AS token_average_perplexity,\n"
         "       max(CASE metric WHEN 'ppl_book' THEN value END) AS book_average_perplexity,\n"
         "       max(n) AS samples, max(clusters) AS books, max(tokens) AS tokens, cell_key\n"
         "FROM results\nWHERE " +
         condition_sql(selection, settings) + "\nGROUP BY cell_key\nORDER BY policy, budget";
}

std::string differences_sql(const Selection& selection, const Settings& settings,
                            std::span<const std::pair<std::string, std::string>> pairs) {
  std::string wanted;
  for (const auto& [a, b] : pairs) {
    wanted += (wanted.empty() ? "" : ", ") + ("(" + sql_quote(a)) + ", " + sql_quote(b) + ")";
  }
  if (wanted.empty()) wanted = "(NULL, NULL)";
  return "WITH pair(a, b) AS (VALUES " + wanted + "),\nchosen AS (SELECT * FROM samples WHERE " +
         of_panel(settings) + "\n  AND nll_sum IS NOT NULL AND tokens_scored > 0 AND " +
         selected(selection) +
         ")\nSELECT pair.a, pair.b, x.budget,\n"
         "       sum(x.nll_sum - y.nll_sum) / sum(x.tokens_scored) AS delta_nll,\n"
         "       exp(sum(x.nll_sum - y.nll_sum) / sum(x.tokens_scored)) AS perplexity_ratio,\n"
         "       count(*) AS samples, count(DISTINCT x.cluster) AS books\n"
         "FROM pair JOIN chosen x ON x.policy = pair.a\n"
         "JOIN chosen y ON y.policy = pair.b AND y.sample_id = x.sample_id AND\n"
         "     y.sample_hash = x.sample_hash AND (y.budget = x.budget OR y.budget IS NULL)\n"
         "GROUP BY pair.a, pair.b, x.budget\nORDER BY pair.a, pair.b, x.budget";
}

std::string provenance_sql(const Selection& selection) {
  return "SELECT DISTINCT p.version, p.git_commit, p.git_dirty, p.compiler, p.build_type,\n"
         "       p.torch_version, p.cpu, p.device, p.threads\n"
         "FROM provenance p JOIN samples s ON s.provenance_id = p.id\nWHERE s." +
         selected(selection) + "\nORDER BY p.id";
}

std::vector<Panel> read_panels(const store::RunStore& store, const Selection& selection) {
  auto samples = selected_samples(store, selection);
  std::vector<Panel> panels;
  std::vector<std::pair<Settings, CellResult>> unbounded;
  for (store::StoredCell& cell : selected_cells(store, selection)) {
    CellResult result{.key = cell.record.key,
                      .policy = cell.record.policy,
                      .budget = cell.record.budget,
                      .status = cell.status,
                      .reason = cell.reason,
                      .wanted = cell.record.n_samples,
                      .stored = cell.samples_done,
                      .samples = std::move(samples[cell.record.key])};
    const Settings settings = settings_of(cell.record);
    if (result.budget) {
      panel_for(panels, settings).cells.push_back(std::move(result));
    } else {
      unbounded.emplace_back(settings, std::move(result));
    }
  }
  for (const auto& entry : unbounded) {
    const Settings& settings = entry.first;
    const CellResult& cell = entry.second;
    bool placed = false;
    for (Panel& panel : panels) {
      const bool exact = panel.settings == settings;
      // A cell of the panel's own schedule takes the place of a borrowed one, whatever the order.
      const bool has_own = std::any_of(unbounded.begin(), unbounded.end(), [&](const auto& other) {
        return other.second.policy == cell.policy && other.first == panel.settings;
      });
      if (!exact && (has_own || !same_but_schedule(panel.settings, settings))) continue;
      if (!exact && panel.find(cell.policy, std::nullopt)) continue;
      panel.cells.push_back(cell);
      placed = true;
    }
    if (!placed) panel_for(panels, settings).cells.push_back(cell);
  }
  return panels;
}

}  // namespace lethe::reports
