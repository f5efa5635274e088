// SPDX-License-Identifier: Apache-2.0
#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/output.h"
#include "harness/store/run_store.h"

namespace lethe::cli {

namespace {

std::vector<std::string> view_names(const store::RunStore& store) {
  std::vector<std::string> names;
  const auto found =
      store.query("SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name");
  for (const auto& row : found.rows) names.emplace_back(row[0].as_string());
  return names;
}

std::string view_sql(const store::RunStore& store, const std::string& view) {
  const auto known = view_names(store);
  for (const auto& name : known) {
    if (name == view) return "SELECT * FROM " + name;
  }
  throw unknown_name(ErrorKind::kUsage, "view", view, known);
}

int run(const Options& options) {
  if (options.has("SQL") == options.has("view")) {
    throw Error(ErrorKind::kUsage, "expected either an SQL statement or --view NAME");
  }
  const auto format =
      options.choice("format", options.has("json") ? "json" : "table", {"table", "csv", "json"});
  const auto store =
      store::RunStore::open(options.text("db", "lethe.db"), store::OpenMode::kReadOnly);
  const std::string sql =
      options.has("view") ? view_sql(store, options.text("view")) : options.text("SQL");
  print_rows(store.query(sql), format);
  return kExitOk;
}

}  // namespace

Command query_command() {
  CommandSpec spec;
  spec.name = "query";
  spec.summary = "ask the result database in SQL";
  spec.description =
      "Reads only. View `results`: one row per cell and metric; `samples`: one per sample;\n"
      "`cells`, `failures`, `suite_results`. docs/store-schema.md explains every column. The "
      "functions\n"
      "nll_sum(nll_trace, begin, end) and nll_count(…) give the perplexity of a part of a window.";
  spec.arguments = {{"SQL", false}};
  spec.options = {{"db", "FILE", "result database (default lethe.db)"},
                  {"view", "NAME", "all rows of a view instead of an SQL statement"},
                  {"format", "FORMAT", "table (default), csv or json"},
                  {"json", "", "same as --format json"}};
  spec.examples = {
      {"perplexity of every cell",
       "lethe query \"SELECT policy, budget, value FROM results WHERE metric = 'ppl'\""},
      {"perplexity of the tokens from the 32nd on",
       "lethe query \"SELECT c.policy, c.budget, exp(sum(nll_sum(s.nll_trace, 31, 1e9)) / "
       "sum(nll_count(s.nll_trace, 31, 1e9))) AS ppl FROM sample s JOIN cell c ON c.id = s.cell_id "
       "GROUP BY c.id\""},
      {"everything about the samples, for another program",
       "lethe query --db lethe.db --view samples --format csv > samples.csv"}};
  return {spec, run, {}};
}

}  // namespace lethe::cli
