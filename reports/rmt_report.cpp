// SPDX-License-Identifier: Apache-2.0
#include "reports/rmt_report.h"

#include <algorithm>
#include <set>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/perplexity_tables.h"
#include "reports/report_files.h"
#include "reports/rmt_query.h"
#include "reports/rmt_tables.h"

namespace lethe::reports {
namespace {

class Writer {
 public:
  Writer(const store::RunStore& store, const ReportRequest& request, const Clock& clock)
      : store_(store),
        request_(request),
        clock_(clock),
        selection_{.suite = request.suite, .cell_keys = request.cell_keys},
        claims_(read_rmt_claims(request.data_dir / "published")),
        results_(read_rmt_results(store, selection_)),
        files_(request) {}

  ReportResult write() {
    document_.title = request_.title.empty() ? "Recurrent memory" : request_.title;
    document_.subtitle =
        "What a memory of a few vectors, trained on a few segments, still holds after thousands.";
    if (results_.groups.empty()) {
      say_empty(document_, result_, store_);
    } else {
      add_all();
    }
    return files_.finish(std::move(document_), std::move(result_), store_, selection_, clock_);
  }

 private:
  void add_all() {
    const auto outcomes = check_rmt_claims(results_, claims_);
    const bool synthetic =
        std::any_of(results_.groups.begin(), results_.groups.end(),
                    [&](const RmtGroup& group) { return claims_.synthetic(group.condition); });
    if (synthetic) {
      document_.blocks.push_back(Paragraph{claims_.mechanism});
      for (const std::string& deviation : claims_.deviations) {
        document_.blocks.push_back(Paragraph{"Deviation: " + deviation});
      }
    }
    add_headlines();
    document_.blocks.push_back(facts());
    add_verdicts(outcomes);
    document_.blocks.push_back(Heading{2, "How far the result can be trusted"});
    add_rules();
    for (const std::string& task : results_.tasks()) add_task(task);
    add_controls();
    add_matrices();
    add_cost();
    add_comparison();
    add_references();
    if (files_.wants("csv")) files_.save("cells.csv", to_csv(rmt_tidy_table(results_)));
  }

  /// Into page and CSV; nothing of a table without rows. `sql` is the query that gives it.
  void add_table(const std::string& id, Table table, std::string sql, std::string folded = "") {
    if (table.rows.empty()) return;
    if (files_.wants("csv")) files_.save(id + ".csv", to_csv(table));
    table.sql = std::move(sql);
    document_.blocks.push_back(TableBlock{id, std::move(table), std::move(folded)});
  }

  void add_figure(const PlotFigure& figure, const std::string& caption) {
    if (figure.panels.empty()) return;
    files_.draw_figures({figure});
    document_.blocks.push_back(
        files_.picture(figure, figure.title, describe_figure(figure), caption));
  }

  void say(const std::string& text) { document_.blocks.push_back(Paragraph{text}); }

  void add_headlines() {
    for (const std::string& task : results_.tasks()) {
      const auto plain = results_.plain(task);
      if (plain.empty()) continue;
      const std::string line = headline(*plain.front());
      say(line);
      result_.summary.push_back(line);
    }
    if (results_.tasks().empty()) {
      say("No cell carries a memory (policy `rmt`): there are controls alone, and nothing that "
          "they are controls of.");
    }
  }

  /// "Detect & memorise at 4,096 segments (2,043,904 tokens): …" of the longest input with a
  /// number.
  std::string headline(const RmtGroup& group) const {
    const std::string label = claims_.label(group.condition.task);
    for (const std::int64_t length : reversed(group.lengths())) {
      const auto mean = group.mean(length);
      if (!mean) continue;
      const auto segments = group.segments(length);
      std::string text = label + " at " +
                         (segments ? counted(static_cast<std::size_t>(*segments), "segment") +
                                         " (" + with_thousands(length) + " tokens)"
                                   : with_thousands(length) + " tokens") +
                         ": mean " + percent(mean->mean) + " over " +
                         counted(mean->models, "model");
      if (mean->models > 1) {
        text += ", least " + percent(mean->least) + ", most " + percent(mean->most);
      }
      text += "; n = " + std::to_string(mean->samples) + " each";
      if (!group.condition.name().empty()) text += "; " + group.condition.name();
      const PublishedValue* paper =
          claims_.published(group.condition.task, group.model().trained_segments, segments);
      if (paper) {
        text += "; the paper's model, not comparable: " + fixed(paper->value, 1) + " %";
      }
      return text + ".";
    }
    return label + ": no sample has a score yet.";
  }

  static std::string quoted(std::vector<std::string> names) {
    for (std::string& name : names) name = sql_quote(name);
    return join(names, ", ");
  }

  static std::vector<std::int64_t> reversed(std::vector<std::int64_t> lengths) {
    std::reverse(lengths.begin(), lengths.end());
    return lengths;
  }

  Facts facts() const {
    std::set<std::string> models, runs;
    std::set<std::int64_t> memory;
    std::size_t cells = 0, complete = 0, samples = 0;
    for (const RmtGroup& group : results_.groups) {
      runs.insert(group.run_name);
      if (group.memory == RmtMemory::kCarried && group.budget) memory.insert(*group.budget);
      for (const RmtLine& line : group.lines) {
        models.insert(line.model.name);
        for (const RmtCell& cell : line.cells) {
          cells += 1;
          complete += cell.status == store::CellStatus::kDone && !cell.partial();
          samples += cell.samples.size();
        }
      }
    }
    const auto list = [](const std::set<std::string>& names) {
      return join(std::vector(names.begin(), names.end()), ", ");
    };
    std::set<std::string> tokens;
    for (const std::int64_t one : memory) tokens.insert(std::to_string(one));
    std::set<std::string> segment;
    for (const RmtGroup& group : results_.groups) {
      if (group.condition.segment) segment.insert(with_thousands(*group.condition.segment));
    }
    return {{{"Models", std::to_string(models.size())},
             {"Text tokens per segment", segment.empty() ? "not cut" : list(segment)},
             {"Memory tokens", tokens.empty() ? "none" : list(tokens)},
             {"Samples", with_thousands(static_cast<std::int64_t>(samples))},
             {"Cells complete", std::to_string(complete) + " of " + std::to_string(cells)},
             {"Runs", join(std::vector(runs.begin(), runs.end()), "; ")}}};
  }

  void add_verdicts(const std::vector<RmtClaimOutcome>& outcomes) {
    document_.blocks.push_back(Heading{2, "Do the paper's claims hold here?"});
    say(claims_.paper + " (arXiv " + claims_.arxiv + ") measured " + claims_.long_evaluation.model +
        ". A claim that fails is a result, and shown.");
    std::vector<ToldClaim> claims;
    for (const RmtClaimOutcome& outcome : outcomes) {
      claims.push_back(
          {outcome.claim.id, outcome.statement(), outcome.claim.source, outcome.checks});
    }
    ToldClaims told = tell_claims(claims);
    document_.blocks.push_back(std::move(told.verdicts));
    result_.summary.insert(result_.summary.end(), told.lines.begin(), told.lines.end());
    Table& checks = told.checks;
    const std::string folded = checks.caption + ": " + counted(checks.rows.size(), "row");
    add_table("claims", std::move(checks), "", folded);
  }

  /// As a list in the page, since their texts are long, and as a table in the CSV.
  void add_rules() {
    const Table rules = rmt_rules_table(results_, claims_);
    if (files_.wants("csv")) files_.save("rules.csv", to_csv(rules));
    Verdicts list;
    for (const auto& row : rules.rows) {
      const TableCell& state = row.back();
      list.items.push_back({state.text, state.tone, row[0].text, row[1].text});
      if (state.tone == Tone::kBad) {
        result_.summary.push_back(state.text + ": " + row[0].text + " (" + row[1].text + ")");
      }
    }
    document_.blocks.push_back(std::move(list));
  }

  void add_task(const std::string& task) {
    document_.blocks.push_back(Heading{2, claims_.label(task)});
    const auto all = results_.carried(task);
    auto plain = results_.plain(task);
    if (plain.empty()) plain = {all.front()};
    const RmtGroup& first = *plain.front();
    add_figure(
        rmt_accuracy_figure(first, claims_, "accuracy-" + task),
        "A line per trained model, with 95 % intervals; hollow: the paper's model, published, "
        "not comparable.");
    const std::string sql =
        rmt_cells_sql(selection_, "c.policy = 'rmt' AND c.task = " + sql_quote(task));
    add_table("accuracy-" + task, rmt_accuracy_table(first, claims_), sql);
    std::vector<const RmtGroup*> conditions;
    for (const RmtGroup* group : plain) {
      if (group->run == first.run && group->model().same_recipe(first.model())) {
        conditions.push_back(group);
      }
    }
    add_figure(rmt_conditions_figure(conditions, claims_, "conditions-" + task),
               "Means over models; bars from the least to the most.");
    add_table("conditions-" + task, rmt_conditions_table(conditions), sql);
    add_table("recipes-" + task, rmt_recipes_table(all), sql);
    std::size_t number = 1;
    for (const RmtGroup* group : plain) {
      if (group == &first) continue;
      Table table = rmt_accuracy_table(*group, claims_);
      std::string folded = table.caption + ": " + group->condition.name();
      if (group->run != first.run) folded += "; " + group->run_name;
      add_table("accuracy-" + task + "-" + std::to_string(++number), std::move(table), "", folded);
    }
  }

  void add_controls() {
    document_.blocks.push_back(Heading{2, "Controls that must fail"});
    const auto controls = rmt_controls(results_);
    if (controls.empty()) {
      say("No cell has a broken memory (`rmt:memory=reset`, `shuffled`, `none`) over two segments "
          "or "
          "more: that the memory carries the answer is not shown here.");
      return;
    }
    add_table("controls", rmt_controls_table(controls),
              rmt_cells_sql(selection_, "c.policy LIKE 'rmt:%'"));
  }

  void add_matrices() {
    document_.blocks.push_back(Heading{2, "Trained on few segments, tested on many"});
    bool any = false;
    for (const std::string& task : results_.tasks()) {
      const auto groups = rmt_matrix_groups(results_, task);
      if (groups.empty()) continue;
      any = true;
      const HeatMap map = rmt_matrix_map(groups, claims_, "matrix-" + task);
      files_.draw_script_of(map.name, heat_map_script(map));
      document_.blocks.push_back(files_.picture({map.name, map.title, {}}, map.title,
                                                describe_heat_map(map),
                                                "Accuracy in %: measured, and published for the "
                                                "paper's model."));
      add_table("matrix-" + task, rmt_matrix_table(groups, claims_),
                rmt_cells_sql(selection_, "c.policy = 'rmt' AND c.task = " + sql_quote(task)));
    }
    if (!any) {
      say("There are no checkpoints of two training lengths (stages of one curriculum) under one "
          "test condition: no matrix can be drawn.");
    }
  }

  void add_cost() {
    document_.blocks.push_back(Heading{2, "Memory and time"});
    add_figure(rmt_cost_figure(results_, claims_, "cost"),
               "A memory that does not grow, and a time per segment that does not either, make the "
               "cost of a text linear in its length.");
    Table table = rmt_cost_table(results_, claims_);
    if (table.rows.empty()) say("No sample of policy `rmt` is there yet.");
    add_table("cost", std::move(table), rmt_cells_sql(selection_, "c.policy = 'rmt'"));
  }

  void add_comparison() {
    document_.blocks.push_back(Heading{2, "Beside eviction"});
    Table table = rmt_comparison_table(results_);
    if (table.rows.empty()) {
      say("No other policy ran these tasks: there is nothing to stand beside.");
    }
    add_table("comparison", std::move(table),
              rmt_cells_sql(selection_, "c.task IN (" + quoted(results_.tasks()) + ")"));
  }

  void add_references() {
    document_.blocks.push_back(Heading{2, "Published, not run here"});
    say("Other tables of these papers and of their successors, for reference: nothing of them was "
        "measured by this program.");
    for (const PublishedTable& published : claims_.references) {
      Table table = rmt_reference_table(published);
      const std::string folded =
          published.title + " (" + counted(table.rows.size(), "value") + ", not run here)";
      document_.blocks.push_back(TableBlock{published.id, std::move(table), folded});
    }
  }

  const store::RunStore& store_;
  const ReportRequest& request_;
  const Clock& clock_;
  Selection selection_;
  RmtClaims claims_;
  RmtResults results_;
  ReportFiles files_;
  ReportResult result_;
  Document document_;
};

}  // namespace

ReportResult write_rmt_report(const store::RunStore& store, const ReportRequest& request,
                              const Clock& clock) {
  return Writer(store, request, clock).write();
}

}  // namespace lethe::reports
