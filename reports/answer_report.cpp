// SPDX-License-Identifier: Apache-2.0
#include "reports/answer_report.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "harness/base/text.h"
#include "reports/answer_audit.h"
#include "reports/answer_query.h"
#include "reports/answer_tables.h"
#include "reports/numbers.h"
#include "reports/perplexity_tables.h"
#include "reports/report_files.h"

namespace lethe::reports {
namespace {

/// A table with its name in the page and that of its file.
struct NamedTable {
  std::string id;
  Table table;
};

/// A panel with everything computed from it.
struct Section {
  std::string suffix;  ///< "" for the first panel, "-2", "-3", … for file names and ids
  std::string headline;
  std::vector<TaskClaimOutcome> outcomes;
  std::vector<PlotFigure> figures;
  std::vector<NamedTable> scores;
  std::vector<NamedTable> differences;
};

class Writer {
 public:
  Writer(const store::RunStore& store, const ReportRequest& request, const Clock& clock)
      : store_(store),
        request_(request),
        clock_(clock),
        selection_{.suite = request.suite, .cell_keys = request.cell_keys},
        claims_(read_task_claims(request.data_dir / "published" / "claims-tova-tasks.json")),
        files_(request),
        panels_(read_answer_panels(store, selection_)) {
    for (std::size_t i = 0; i < panels_.size(); ++i) add(panels_[i], i);
  }

  ReportResult write() {
    for (const Section& section : sections_) files_.draw_figures(section.figures);
    Document document = make_document();
    if (!panels_.empty()) save_answers();
    if (files_.wants("csv") && !panels_.empty()) save_csv();
    return files_.finish(std::move(document), std::move(result_), store_, selection_, clock_);
  }

 private:
  void add(const AnswerPanel& panel, std::size_t index) {
    Section section;
    section.suffix = index == 0 ? "" : "-" + std::to_string(index + 1);
    section.outcomes = check_task_claims(panel, claims_);
    section.figures = score_figures(panel, claims_, section.suffix);
    if (PlotFigure memory = memory_figure(panel, claims_, section.suffix); !memory.panels.empty()) {
      section.figures.push_back(std::move(memory));
    }
    const auto keep = [&](std::vector<NamedTable>& into, const std::string& id, Table table,
                          std::string sql) {
      if (table.rows.empty()) return;
      table.sql = std::move(sql);
      into.push_back({id + section.suffix, std::move(table)});
    };
    const std::string scores = scores_sql(panel);
    const std::string differences = score_differences_sql(panel);
    keep(section.scores, "scores", score_table(panel, claims_), scores);
    keep(section.scores, "lengths", length_table(panel, claims_), length_scores_sql(panel));
    keep(section.scores, "normalised", normalised_table(panel, claims_), scores);
    keep(section.scores, "inputs", input_table(panel), answers_sql(panel));
    const auto overall = overall_differences(panel);
    section.headline = headline_of(panel, overall);
    if (panel.tasks.size() > 1 && !overall.empty()) {
      keep(section.differences, "differences",
           score_differences_table(panel, overall, claims_,
                                   "Against the full cache: mean over tasks", false),
           differences);
    }
    if (const auto by_task = task_differences(panel); !by_task.empty()) {
      keep(
          section.differences, "task-differences",
          score_differences_table(panel, by_task, claims_, "Against the full cache, by task", true),
          differences);
    }
    sections_.push_back(std::move(section));
  }

  void save_csv() {
    for (const Section& section : sections_) {
      for (const auto* tables : {&section.scores, &section.differences}) {
        for (const NamedTable& named : *tables) {
          files_.save(named.id + ".csv", to_csv(named.table));
        }
      }
      if (!section.outcomes.empty()) {
        files_.save("claims" + section.suffix + ".csv",
                    to_csv(task_checks_table(section.outcomes)));
      }
    }
    files_.save("cells.csv", to_csv(tidy_scores(panels_)));
  }

  void save_answers() {
    if (files_.wants("csv")) files_.save("answers.csv", answers_csv(store_, panels_));
    if (!files_.wants("html")) return;
    Document document = answers_document(store_, panels_, claims_, files_.wants("csv"));
    document.footer = footer_of(store_, selection_, clock_);
    files_.save("answers.html", to_html_page(document));
  }

  std::string title() const {
    if (!request_.title.empty()) return request_.title;
    return request_.suite.empty() ? "Answers" : "Answers: suite " + request_.suite;
  }

  Document make_document() {
    Document document;
    document.title = title();
    document.subtitle =
        "What a language model still answers when it keeps only part of what it read.";
    if (panels_.empty()) say_empty(document, result_, store_);
    if (panels_.size() > 1) {
      document.blocks.push_back(
          Paragraph{"The cells differ in more than task, policy and budget, so they stand in " +
                    std::to_string(panels_.size()) + " parts that are never mixed."});
    }
    for (std::size_t i = 0; i < panels_.size(); ++i) {
      add_section(document, panels_[i], sections_[i], i);
      summarise(panels_[i], sections_[i]);
    }
    return document;
  }

  void add_section(Document& document, const AnswerPanel& panel, const Section& section,
                   std::size_t index) const {
    auto& blocks = document.blocks;
    if (panels_.size() > 1) {
      blocks.push_back(Heading{2, "Part " + std::to_string(index + 1) + ": " + name_of(panel)});
    }
    if (!section.headline.empty()) blocks.push_back(Paragraph{section.headline});
    blocks.push_back(facts_of(panel));
    if (!section.outcomes.empty()) {
      blocks.push_back(Heading{2, "Do the paper's claims hold here?"});
      blocks.push_back(Paragraph{
          claims_.paper + " (arXiv " + claims_.arxiv + ") measured " + claims_.model +
          ", and prints curves without numbers: nothing published stands beside the scores of " +
          panel.settings.model +
          ". Its claims are checked; one that fails is a result, and shown."});
      blocks.push_back(verdicts_of(section));
    } else if (const std::string note = claims_.note_on(panel.benchmark); !note.empty()) {
      blocks.push_back(Paragraph{note});
    }
    blocks.push_back(Heading{2, "Scores"});
    for (const PlotFigure& figure : section.figures) blocks.push_back(picture_of(panel, figure));
    for (const NamedTable& named : section.scores) {
      blocks.push_back(block_of(named, named.id.starts_with("lengths")));
    }
    blocks.push_back(Heading{2, "Paired differences"});
    if (section.differences.empty()) {
      blocks.push_back(
          Paragraph{"No policy shares a sample with the full cache, so there is "
                    "nothing to compare."});
    }
    for (const NamedTable& named : section.differences) {
      blocks.push_back(block_of(named, named.id.starts_with("task")));
    }
    if (!section.outcomes.empty()) {
      blocks.push_back(Heading{2, "How the claims were checked"});
      Table checks = task_checks_table(section.outcomes);
      checks.sql = score_differences_sql(panel);
      blocks.push_back(TableBlock{"claims" + section.suffix, std::move(checks)});
    }
    if (index + 1 == panels_.size()) add_answers(document);
  }

  /// Where there are many tasks, the longer tables are folded away.
  static TableBlock block_of(const NamedTable& named, bool may_fold) {
    TableBlock block{named.id, named.table};
    if (may_fold && named.table.rows.size() > kManyRows) {
      block.folded = named.table.caption + ": " + counted(named.table.rows.size(), "row");
    }
    return block;
  }

  void add_answers(Document& document) const {
    document.blocks.push_back(Heading{2, "The answers themselves"});
    const bool csv = files_.wants("csv");
    const bool page = files_.wants("html");
    std::string where = ".";
    if (page && csv) {
      where = ": `answers.html` has the first ones side by side, `answers.csv` all of them.";
    } else if (page || csv) {
      where = page ? ": `answers.html` has the first ones side by side."
                   : ": `answers.csv` has all of them.";
    }
    document.blocks.push_back(
        Paragraph{"A score says little before somebody has read answers: what was read, what was "
                  "cut and where, what was written and what of it was scored" +
                  where});
    const std::string links =
        "<p><a href=\"answers.html\">Answers side by side</a>" +
        std::string(csv ? " · <a href=\"answers.csv\">answers.csv</a>, all of them" : "") +
        "</p>\n";
    document.blocks.push_back(Html{links});
  }

  std::string name_of(const AnswerPanel& panel) const {
    const auto twins = std::count_if(panels_.begin(), panels_.end(), [&](const AnswerPanel& other) {
      Settings twin = other.settings;
      twin.variant = panel.settings.variant;
      return other.benchmark == panel.benchmark && twin == panel.settings;
    });
    // Equal on every axis, different in other inputs of the key (weights, engine version).
    if (twins < 2) return panel_name(panel);
    return panel_name(panel) + ", cells like " + panel.cells.front().key.substr(0, 8);
  }

  static std::vector<std::size_t> all_tasks(const AnswerPanel& panel) {
    std::vector<std::size_t> tasks(panel.tasks.size());
    std::iota(tasks.begin(), tasks.end(), std::size_t{0});
    return tasks;
  }

  static std::string chat_text(const AnswerPanel& panel) {
    const auto chat = static_cast<std::size_t>(
        std::count_if(panel.tasks.begin(), panel.tasks.end(),
                      [](const AnswerTaskInfo& task) { return task.chat; }));
    if (chat == 0) return "not used";
    if (chat == panel.tasks.size()) return "where the model has one";
    return "where the model has one, in " + std::to_string(chat) + " of " +
           counted(panel.tasks.size(), "task");
  }

  static Facts facts_of(const AnswerPanel& panel) {
    const Settings& s = panel.settings;
    const CutSummary cut = cut_summary(panel, all_tasks(panel));
    std::size_t complete = 0;
    std::size_t shipped = 0;
    std::vector<const AnswerSample*> samples;
    std::set<std::string> documents;
    for (const AnswerCell& cell : panel.cells) {
      complete += cell.status == store::CellStatus::kDone && !cell.partial();
      for (const AnswerSample& sample : cell.samples) {
        samples.push_back(&sample);
        documents.insert(panel.tasks[cell.task].name + "\n" + sample.cluster);
      }
    }
    for (const AnswerTaskInfo& task : panel.tasks) shipped += task.sample;
    std::string cut_text = "no prompt";
    if (cut.cut > 0) {
      cut_text = fixed(100 * static_cast<double>(cut.cut) / static_cast<double>(cut.prompts), 0) +
                 " % of the prompts, median " + with_thousands(cut.median_cut) + " tokens";
    }
    const std::string data = shipped == 0 ? "whole data sets, or what the suite says of them"
                             : shipped == panel.tasks.size()
                                 ? "shipped samples, not the whole data sets"
                                 : "shipped samples in " + std::to_string(shipped) + " of " +
                                       counted(panel.tasks.size(), "task");
    return {
        {{"Model", s.model},
         {"Benchmark", panel.name()},
         {"Tasks", std::to_string(panel.tasks.size())},
         {"Samples", with_thousands(static_cast<std::int64_t>(cut.prompts)) + " of " +
                         counted(documents.size(), "document")},
         {"Context limit", with_thousands(s.length) + " tokens"},
         {"Prompts cut to it", cut_text},
         {"Data", data},
         {"Schedule", s.schedule},
         {"Positions", s.positions},
         {"Number format", s.dtype + (s.kv_dtype == "same" ? "" : ", KV " + s.kv_dtype)},
         {"Chat template", chat_text(panel)},
         {"Answers ended by length", fixed(100 * ended_by_length(samples), 0) + " % of " +
                                         with_thousands(static_cast<std::int64_t>(samples.size()))},
         {"Cells complete", std::to_string(complete) + " of " + std::to_string(panel.cells.size())},
         {"Seed", std::to_string(s.seed)}}};
  }

  /// The full cache's mean score, and what the policies lose.
  std::string headline_of(const AnswerPanel& panel,
                          std::span<const ScoreDifference> differences) const {
    const auto full = panel.full();
    if (!full || panel.has_twins()) return "";
    std::vector<Points> scores;
    for (std::size_t task = 0; task < panel.tasks.size(); ++task) {
      const AnswerCell* cell = panel.usable(task, *full);
      if (!cell) return "";
      scores.push_back(task_points(panel.tasks[task], cell->samples));
    }
    // "Window+4 -5.49 (256), -3.66 (512); TOVA …"
    std::string losses;
    const AnswerColumn* last = nullptr;
    for (const ScoreDifference& row : differences) {
      if (row.tasks.size() < panel.tasks.size()) continue;
      const AnswerColumn& column = panel.columns[row.a];
      const bool goes_on = last && last->same_policy(column);
      losses += !last ? "" : goes_on ? ", " : "; ";
      if (!goes_on) losses += claims_.policy_label(column) + " ";
      last = &column;
      losses += signed_fixed(row.delta.value, 2);
      if (column.budget) losses += " (" + with_thousands(*column.budget) + ")";
    }
    const std::string of = panel.tasks.size() == 1
                               ? panel.tasks.front().title
                               : "mean of " + counted(panel.tasks.size(), "task");
    return panel.settings.model + ", " + panel.name() + ", " + of + ": full cache " +
           points_text(mean_points(scores).value) + " points" +
           (losses.empty() ? "" : "; against it: " + losses) + ".";
  }

  static Verdicts verdicts_of(const Section& section) {
    Verdicts block;
    for (const TaskClaimOutcome& outcome : section.outcomes) {
      const Verdict verdict = outcome.verdict();
      block.items.push_back({.verdict = std::string(to_string(verdict)),
                             .tone = tone_of(verdict),
                             .text = outcome.claim.statement,
                             .detail = outcome.summary()});
    }
    return block;
  }

  Picture picture_of(const AnswerPanel& panel, const PlotFigure& figure) const {
    const bool memory = figure.name.starts_with("memory");
    std::string caption =
        memory ? "Mean score of all tasks against the bytes of keys and values that were live at "
                 "the end of an answer (mean over samples, then over tasks)"
               : "Mean score of the tasks of a group against the budget; dashed: the full cache, "
                 "with its interval as a band";
    caption +=
        ". Intervals: 95 %, over documents; they include the differences between documents, which "
        "the paired differences below leave out.";
    if (std::any_of(figure.panels.begin(), figure.panels.end(), cuts_intervals)) {
      caption +=
          " Intervals that reach far beyond the values are cut at the edge; the table has "
          "their ends.";
    }
    return files_.picture(figure,
                          figure.title + ", " + panel.settings.model +
                              ": one line per policy; the numbers stand in the tables below",
                          describe_figure(figure), std::move(caption));
  }

  void summarise(const AnswerPanel& panel, const Section& section) {
    const std::string where = panels_.size() > 1 ? name_of(panel) + ": " : "";
    result_.summary.push_back(where + (!section.headline.empty() ? section.headline
                                       : panel.has_twins()
                                           ? "a task stands here in several versions: no mean"
                                           : "not every task has a score of the full cache"));
    std::size_t outside = 0;
    for (const AnswerCell& cell : panel.cells) {
      outside += cell.usable() && outside_band(panel.tasks[cell.task], cell.samples);
    }
    if (outside > 0) {
      result_.summary.push_back(where + counted(outside, "score") +
                                " outside the band of the task: look at the answers");
    }
    for (const TaskClaimOutcome& outcome : section.outcomes) {
      result_.summary.push_back(where + std::string(to_string(outcome.verdict())) + ": " +
                                outcome.claim.statement + " (" + outcome.summary() + ")");
    }
  }

  static constexpr std::size_t kManyRows = 24;

  const store::RunStore& store_;
  const ReportRequest& request_;
  const Clock& clock_;
  Selection selection_;
  TaskClaims claims_;
  ReportFiles files_;
  std::vector<AnswerPanel> panels_;
  std::vector<Section> sections_;
  ReportResult result_;
};

}  // namespace

ReportResult write_answer_report(const store::RunStore& store, const ReportRequest& request,
                                 const Clock& clock) {
  return Writer(store, request, clock).write();
}

}  // namespace lethe::reports
