// SPDX-License-Identifier: Apache-2.0
#include "reports/namm_report.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/namm_query.h"
#include "reports/namm_tables.h"
#include "reports/numbers.h"
#include "reports/perplexity_tables.h"
#include "reports/report_files.h"

namespace lethe::reports {
namespace {

class Writer {
 public:
  Writer(const store::RunStore& store, const ReportRequest& request, const Clock& clock)
      : store_(store),
        request_(request),
        clock_(clock),
        selection_{.suite = request.suite, .cell_keys = request.cell_keys},
        claims_(read_namm_claims(request.data_dir / "published")),
        results_(read_namm_results(store, selection_)),
        files_(request) {
    for (const NammPanel& panel : results_.panels) {
      sections_.push_back({&panel, compare_methods(panel, claims_.equal_within)});
    }
    for (TrainingGroup& group : read_trainings(store)) {
      if (group.kind == kNammTraining) evolutions_.push_back(std::move(group));
    }
  }

  ReportResult write() {
    document_.title = request_.title.empty() ? "NAMM: an evolved memory" : request_.title;
    document_.subtitle =
        "What a small network that learned what to keep is worth beside rules that keep as much.";
    if (sections_.empty()) {
      say_nothing();
    } else {
      add_results();
    }
    add_evolutions();
    if (!sections_.empty() || !evolutions_.empty()) add_published();
    if (sections_.empty() && !evolutions_.empty()) {
      return files_.finish(std::move(document_), std::move(result_),
                           footer_of(store_, training_origins_sql(), clock_));
    }
    return files_.finish(std::move(document_), std::move(result_), store_, selection_, clock_);
  }

 private:
  void say(const std::string& text) { document_.blocks.push_back(Paragraph{text}); }

  void say_nothing() {
    say("There is nothing to show: no cell of the selection has the policy `namm`." +
        std::string(results_.left_out > 0
                        ? " Cells of other policies: " + std::to_string(results_.left_out) + "."
                        : ""));
    result_.summary.push_back("no cell of policy namm: nothing to show yet");
  }

  void add_results() {
    std::vector<std::vector<NammComparison>> comparisons;
    for (const NammSection& section : sections_) comparisons.push_back(section.comparisons);
    const auto outcomes = check_namm_claims(results_, claims_, comparisons);
    if (std::any_of(sections_.begin(), sections_.end(), [&](const NammSection& section) {
          return claims_.synthetic(*section.panel);
        })) {
      say(claims_.mechanism);
    }
    add_headlines();
    document_.blocks.push_back(facts());
    add_verdicts(outcomes);
    add_tasks();
    for (std::size_t i = 0; i < sections_.size(); ++i) add_panel(sections_[i], suffix(i));
    if (files_.wants("csv")) {
      files_.save("cells.csv", to_csv(namm_tidy_table(results_, claims_)));
    }
  }

  static std::string suffix(std::size_t index) {
    return index == 0 ? "" : "-" + std::to_string(index + 1);
  }

  /// Into page and CSV; nothing of a table without rows.
  void add_table(const std::string& id, Table table, std::string sql = "",
                 std::string folded = "") {
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

  /// "recall, 512 tokens, model recall: NAMM namm-recall, capped 96, block:64: 81.20 [75.1, 87.3]
  /// points with a mean of 88.1 tokens per layer, …"
  void add_headlines() {
    for (const NammSection& section : sections_) {
      const NammPanel& panel = *section.panel;
      for (const NammMethod& method : panel.methods) {
        if (!method.namm()) continue;
        std::string line = claims_.place(panel) + ": " + claims_.whole_label(method) + ": ";
        const auto own = measure(panel, method);
        if (!own) {
          line += "no number";
        } else {
          line += panel.text ? "perplexity " + perplexity_text(std::exp(own->estimate.mean))
                             : fixed(own->estimate.mean, 2) + " points";
          if (method.rows.size() > 1) line += ", mean of " + counted(own->runs, "seed");
          if (own->cache) {
            line += ", mean " + fixed(own->cache->mean, 1) + " and peak " +
                    fixed(own->cache->peak, 1) + " tokens per layer";
          }
          const auto ratio = normalised(panel, own, claims_.least_base);
          line += ratio.value ? ", ×" + fixed(*ratio.value, 3) + " of the full cache"
                              : ", no normalised score: " + ratio.missing;
        }
        say(line + ".");
        result_.summary.push_back(line);
      }
    }
  }

  Facts facts() const {
    std::set<std::string> models, tasks;
    std::size_t cells = 0, complete = 0, failed = 0, samples = 0;
    for (const NammPanel& panel : results_.panels) {
      models.insert(panel.settings.model);
      tasks.insert(panel.settings.task);
      for (const NammRow& row : panel.rows) {
        ++cells;
        failed += row.failed();
        complete += row.status == store::CellStatus::kDone &&
                    static_cast<std::int64_t>(row.samples.size()) >= row.wanted;
        samples += row.samples.size();
      }
    }
    const auto list = [](const std::set<std::string>& names) {
      return join(std::vector(names.begin(), names.end()), ", ");
    };
    return {{{"Models", list(models)},
             {"Tasks", list(tasks)},
             {"Samples", with_thousands(static_cast<std::int64_t>(samples))},
             {"Cells complete", std::to_string(complete) + " of " + std::to_string(cells)},
             {"Cells failed", std::to_string(failed)},
             {"Cells without NAMM beside them, left out", std::to_string(results_.left_out)},
             {"Training runs in the database", std::to_string(results_.trainings.size())}}};
  }

  void add_verdicts(const std::vector<NammClaimOutcome>& outcomes) {
    document_.blocks.push_back(Heading{2, "Do the paper's claims hold here?"});
    say(claims_.paper + " (arXiv " + claims_.arxiv + ") measured " + claims_.aggregate.model +
        ". Verdicts follow paired tests at the level " + exact_text(claims_.alpha) +
        " after Holm's correction, and only rows of equal memory. A claim that fails is a result, "
        "and shown.");
    std::vector<ToldClaim> claims;
    for (const NammClaimOutcome& outcome : outcomes) {
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

  /// Tables over the tasks of each model and NAMM.
  void add_tasks() {
    document_.blocks.push_back(Heading{2, "Tasks it was evolved on, and others"});
    std::vector<std::string> models;
    for (const NammSection& section : sections_) {
      const std::string& model = section.panel->settings.model;
      if (std::find(models.begin(), models.end(), model) == models.end()) models.push_back(model);
    }
    std::size_t number = 0;
    for (const std::string& model : models) {
      std::vector<NammSection> own;
      std::vector<NammMethod> namms;
      for (const NammSection& section : sections_) {
        if (section.panel->settings.model != model) continue;
        own.push_back(section);
        for (const NammMethod& method : section.panel->methods) {
          const bool known = std::any_of(namms.begin(), namms.end(), [&](const NammMethod& other) {
            return other.same(method);
          });
          if (method.namm() && !known) namms.push_back(method);
        }
      }
      if (models.size() > 1) document_.blocks.push_back(Heading{3, "Model " + model});
      for (const NammMethod& namm : namms) {
        add_table("tasks" + suffix(number), namm_tasks_table(own, results_, claims_, namm));
        add_table("means" + suffix(number), namm_means_table(own, results_, claims_, namm));
        ++number;
      }
      add_figure(namm_ratio_figure(own, claims_, "ratio-" + model),
                 "Means over the tasks of LongBench here; hollow: the paper's, published, of "
                 "another model on whole data sets (secondary source).");
    }
  }

  void add_panel(const NammSection& section, const std::string& suffix) {
    const NammPanel& panel = *section.panel;
    const auto twins =
        std::count_if(sections_.begin(), sections_.end(), [&](const NammSection& other) {
          return claims_.place(*other.panel) == claims_.place(panel);
        });
    std::string title = claims_.place(panel);
    if (twins > 1) title += ", cells like " + panel.rows.front().key.substr(0, 8);
    document_.blocks.push_back(Heading{2, title});
    add_figure(namm_memory_figure(section, claims_, "memory" + suffix),
               "Means over seeds with 95 % intervals over documents. Left and " +
                   std::string(panel.text ? "down" : "up") + " is better.");
    add_table("policies" + suffix, namm_panel_table(section, results_, claims_),
              namm_cells_sql(panel));
    Table differences = namm_differences_table(section, claims_);
    const std::string folded = differences.caption + ": " + counted(differences.rows.size(), "row");
    add_table("differences" + suffix, std::move(differences), "", folded);
  }

  void add_evolutions() {
    document_.blocks.push_back(Heading{2, "How it was evolved"});
    if (evolutions_.empty()) {
      say("The database holds no training run of NAMM: what its parameters were evolved on is "
          "unknown here, and there is no learning curve.");
      return;
    }
    for (std::size_t i = 0; i < evolutions_.size(); ++i) {
      const TrainingGroup& group = evolutions_[i];
      add_figure(
          namm_learning_figure(group, "evolution" + suffix(i)),
          "A line per seed: fitness on the prompts of selection, mean of the population on those "
          "of each generation, and tokens kept by the population.");
      add_table("evolution" + suffix(i), namm_learning_table(group, results_),
                last_values_sql(group));
      result_.summary.push_back(group.name + ": " + counted(group.runs.size(), "training run"));
    }
  }

  void add_published() {
    document_.blocks.push_back(Heading{2, "Published, not run here"});
    say("Nothing below was measured by this program. A figure that was recalled and never read is "
        "\"not known\".");
    std::vector<const PublishedTable*> tables{&claims_.aggregate, &claims_.base};
    for (const PublishedTable& table : claims_.references) tables.push_back(&table);
    for (const PublishedTable* published : tables) {
      Table table = namm_published_table(*published, claims_);
      const std::string folded =
          published->title + " (" + counted(table.rows.size(), "value") + ", not run here)";
      document_.blocks.push_back(TableBlock{published->id, std::move(table), folded});
    }
  }

  const store::RunStore& store_;
  const ReportRequest& request_;
  const Clock& clock_;
  Selection selection_;
  NammClaims claims_;
  NammResults results_;
  std::vector<NammSection> sections_;
  std::vector<TrainingGroup> evolutions_;
  ReportFiles files_;
  ReportResult result_;
  Document document_;
};

}  // namespace

ReportResult write_namm_report(const store::RunStore& store, const ReportRequest& request,
                               const Clock& clock) {
  return Writer(store, request, clock).write();
}

}  // namespace lethe::reports
