// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/queries.h"
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

constexpr std::int64_t kTimeLimitSeconds = 60;

int run(const Options& options) {
  if (options.has("SQL") + options.has("view") + options.has("saved") != 1) {
    throw Error(ErrorKind::kUsage, "expected one of: an SQL statement, --view NAME, --saved NAME");
  }
  const auto format =
      options.choice("format", options.has("json") ? "json" : "table", {"table", "csv", "json"});
  const std::chrono::seconds limit(options.integer("time-limit", kTimeLimitSeconds, 0, 1'000'000));
  const std::string saved = options.has("saved") ? saved_query(options.text("saved")).sql : "";
  const auto store =
      store::RunStore::open(options.text("db", "lethe.db"), store::OpenMode::kReadOnly);
  const std::string sql =
      options.has("view") ? view_sql(store, options.text("view")) : options.text("SQL", saved);
  print_rows(store.query(sql, {}, limit), format);
  return kExitOk;
}

}  // namespace

Command query_command() {
  CommandSpec spec;
  spec.name = "query";
  spec.summary = "ask the result database in SQL";
  spec.description =
      "Reads only. View `results`: one row per cell and metric; `samples`: one per sample;\n"
      "`cells`, `failures`, `suite_results`, `provenance`, `speeds`; `trainings`: one per "
      "training\n"
      "run; `curves`: one per value of a learning curve. docs/store-schema.md explains every "
      "column.\n"
      "The functions\n"
      "nll_sum(nll_trace, begin, end) and nll_count(…) give the perplexity of a part of a window.\n"
      "`lethe list queries` names the saved queries.";
  spec.arguments = {{"SQL", false}};
  spec.options = {{"db", "FILE", "result database (default lethe.db)"},
                  {"view", "NAME", "all rows of a view instead of an SQL statement"},
                  {"saved", "NAME", "a saved query instead of an SQL statement"},
                  {"time-limit", "SECONDS", "give up after so long (default 60; 0: never)"},
                  {"format", "FORMAT", "table (default), csv or json"},
                  {"json", "", "same as --format json"}};
  spec.examples = {
      {"perplexity of every cell",
       "lethe query \"SELECT policy, budget, value FROM results WHERE metric = 'ppl'\""},
      {"perplexity of a window's second half",
       "lethe query \"SELECT c.policy, c.budget, exp(sum(nll_sum(s.nll_trace, 47, 95)) / "
       "sum(nll_count(s.nll_trace, 47, 95))) AS ppl FROM sample s JOIN cell c ON c.id = s.cell_id "
       "GROUP BY c.id\""},
      {"what each policy loses against the full cache", "lethe query --saved loss-against-full"},
      {"everything about the samples, for another program",
       "lethe query --db lethe.db --view samples --format csv > samples.csv"}};
  return {spec, run, {}};
}

}  // namespace lethe::cli
