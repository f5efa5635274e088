// SPDX-License-Identifier: Apache-2.0
// Tables over tasks: those that a NAMM was evolved on and the others apart, raw means, means of
// ratios and differences by task side by side.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/namm_tables.h"
#include "reports/numbers.h"
#include "reports/panel_text.h"

namespace lethe::reports {
namespace {

enum class Group { kTrained, kOther, kUnknown };
constexpr std::array kGroups{Group::kTrained, Group::kOther, Group::kUnknown};

std::string to_string(Group group) {
  return group == Group::kTrained ? "evolved on"
         : group == Group::kOther ? "not evolved on"
                                  : "unknown whether evolved on";
}

std::string yes_no(Group group) {
  return group == Group::kTrained ? "yes" : group == Group::kOther ? "no" : "unknown";
}

/// "yes", "yes, at 512 tokens" where the panel has another length than the evolution.
std::string evolved_text(const NammResults& results, const NammPanel& panel,
                         const NammMethod& method, Group group) {
  if (group != Group::kTrained) return yes_no(group);
  std::set<std::int64_t> lengths;
  for (const std::size_t row : method.rows) {
    const auto& of_run = results.training(panel.rows[row].content)->lengths;
    if (const auto at = of_run.find(panel.settings.task); at != of_run.end()) {
      lengths.insert(at->second.begin(), at->second.end());
    }
  }
  if (lengths.contains(panel.settings.length)) return "yes";
  std::vector<std::string> texts;
  for (const std::int64_t length : lengths) texts.push_back(with_thousands(length));
  return "yes, at " + join(texts, " and ") + " tokens";
}

/// A task on which some NAMM ran.
struct Task {
  const NammSection* section = nullptr;
  std::size_t namm = 0;  ///< index of its method
  Group group = Group::kUnknown;

  const NammPanel& panel() const { return *section->panel; }
  const NammComparison* comparison(std::size_t other) const {
    for (const NammComparison& one : section->comparisons) {
      if (one.namm == namm && one.other == other) return &one;
    }
    return nullptr;
  }
};

std::optional<std::size_t> method_of(const NammPanel& panel, const NammMethod& wanted) {
  const auto at = std::find_if(panel.methods.begin(), panel.methods.end(),
                               [&](const NammMethod& method) { return method.same(wanted); });
  if (at == panel.methods.end()) return std::nullopt;
  return static_cast<std::size_t>(at - panel.methods.begin());
}

std::vector<Task> tasks_of(std::span<const NammSection> sections, const NammResults& results,
                           const NammMethod& namm) {
  std::vector<Task> tasks;
  for (const Group group : kGroups) {
    for (const NammSection& section : sections) {
      const auto index = method_of(*section.panel, namm);
      if (!index) continue;
      const auto known = results.trained_on(*section.panel, section.panel->methods[*index]);
      const Group own = !known ? Group::kUnknown : *known ? Group::kTrained : Group::kOther;
      if (own == group) tasks.push_back({&section, *index, group});
    }
  }
  return tasks;
}

/// "41.20", or a dash with how many of the numbers there are.
TableCell mean_cell(const std::vector<double>& found, std::size_t wanted, int digits,
                    bool sign = false) {
  if (found.empty() || found.size() < wanted) {
    return {.text = kDash,
            .detail = std::to_string(found.size()) + " of " + counted(wanted, "task"),
            .notes = {},
            .tone = Tone::kMuted};
  }
  const double mean =
      std::accumulate(found.begin(), found.end(), 0.0) / static_cast<double>(found.size());
  return {.text = sign ? signed_fixed(mean, digits) : fixed(mean, digits)};
}

/// The paper's value of a policy and metric ("" for the table's own) on LongBench.
const PublishedValue* find_value(const std::vector<PublishedValue>& values,
                                 const std::string& policy, const std::string& metric) {
  const auto at = std::find_if(values.begin(), values.end(), [&](const PublishedValue& value) {
    return value.policy == policy && value.metric == metric;
  });
  return at == values.end() ? nullptr : &*at;
}

/// "29.33" with what is to be known of it; "not known" where it was recalled only.
TableCell published_cell(Table& table, const NammClaims& claims, const NammMethod& method,
                         const std::string& metric) {
  const std::string spec = method.namm() ? method.name : method.policy;
  const auto name = std::find_if(claims.policies.begin(), claims.policies.end(),
                                 [&](const PolicyName& known) { return known.spec == spec; });
  if (name == claims.policies.end()) return {kDash};
  const PublishedTable& paper = claims.aggregate;
  if (const auto* value = find_value(paper.values, name->published, metric)) {
    TableCell cell{exact_text(value->value)};
    if (!value->secondary.empty()) {
      cell.notes.push_back(table.note("Secondary: " + value->secondary));
    }
    return cell;
  }
  if (const auto* value = find_value(paper.unverified, name->published, metric)) {
    return {.text = "not known",
            .detail = {},
            .notes = {table.note(name->label + " in the paper, recalled as " +
                                 exact_text(value->value) + ": " + value->caution)},
            .tone = Tone::kMuted};
  }
  return {kDash};
}

/// The paper's full cache on the same task of LongBench.
const PublishedValue* published_base(const NammClaims& claims, const NammPanel& panel) {
  if (!claims.of_benchmark(panel)) return nullptr;
  const std::string task = "longbench/" + panel.settings.task.substr(claims.benchmark_tasks.size());
  for (const PublishedValue& value : claims.base.values) {
    if (value.task == task) return &value;
  }
  return nullptr;
}

/// Numbers of one row's means.
struct Sums {
  std::vector<double> scores, full, gains, ratios;
  std::size_t tasks = 0;      ///< with scores
  std::size_t ratios_of = 0;  ///< whose base is not near zero
};

}  // namespace

Table namm_tasks_table(std::span<const NammSection> sections, const NammResults& results,
                       const NammClaims& claims, const NammMethod& namm) {
  Table table;
  const auto tasks = tasks_of(sections, results, namm);
  if (tasks.empty()) return table;
  const bool paper = std::any_of(tasks.begin(), tasks.end(), [&](const Task& task) {
    return published_base(claims, task.panel()) != nullptr;
  });
  table.caption = claims.whole_label(namm) + " by task, beside the full cache";
  table.header_columns = 2;
  table.columns = {{"task"},
                   {"evolved on it"},
                   {"NAMM", Align::kRight},
                   {"full cache", Align::kRight},
                   {"difference", Align::kRight},
                   {"normalised", Align::kRight}};
  if (paper) table.columns.push_back({"full cache, published", Align::kRight});
  table.note(
      "Scores in points, 100 is perfect. Tasks have equal weights. A mean of ratios is "
      "dominated by tasks with small base scores: read raw means, ratios and differences "
      "together. Texts scored by perplexity enter no mean.");
  if (paper) {
    table.note("Published: " + claims.base.model +
               ", whole data sets, not measured here and not comparable with another model.");
  }
  for (const Group group : kGroups) {
    Sums sums;
    bool any = false;
    for (const Task& task : tasks) {
      if (task.group != group) continue;
      any = true;
      const NammPanel& panel = task.panel();
      const auto own = measure(panel, panel.methods[task.namm]);
      const auto full = panel.full();
      const auto top = full ? measure(panel, panel.methods[*full]) : std::nullopt;
      const NammComparison* one = full ? task.comparison(*full) : nullptr;
      const Normalised ratio = normalised(panel, own, claims.least_base);
      const auto text = [&](const std::optional<NammMeasured>& measured) {
        if (!measured) return std::string(kDash);
        return panel.text ? "perplexity " + perplexity_text(std::exp(measured->estimate.mean))
                          : fixed(measured->estimate.mean, 2);
      };
      TableCell gain{one ? signed_fixed(one->gain.mean, panel.text ? 4 : 2) +
                               (panel.text ? " nats" : "")
                         : kDash};
      if (const auto ends = one ? one->ends() : std::nullopt) {
        gain.detail = "[" + fixed(ends->low, panel.text ? 4 : 2) + ", " +
                      fixed(ends->high, panel.text ? 4 : 2) + "]";
      }
      TableCell share{ratio.value ? fixed(*ratio.value, 3) : kDash};
      if (!ratio.value) share.notes.push_back(table.note(ratio.missing));
      std::vector<TableCell> row{{.text = panel.settings.task,
                                  .detail = with_thousands(panel.settings.length) + " tokens"},
                                 {evolved_text(results, panel, panel.methods[task.namm], group)},
                                 {text(own)},
                                 {text(top)},
                                 std::move(gain),
                                 std::move(share)};
      if (paper) {
        const PublishedValue* base = published_base(claims, panel);
        row.push_back({base ? exact_text(base->value) : kDash});
      }
      table.add_row(std::move(row));
      if (panel.text) continue;
      ++sums.tasks;
      const bool near_zero = ratio.missing.starts_with("base below");
      sums.ratios_of += !near_zero;
      if (own) sums.scores.push_back(own->estimate.mean);
      if (top) sums.full.push_back(top->estimate.mean);
      if (one) sums.gains.push_back(one->gain.mean);
      if (ratio.value) sums.ratios.push_back(*ratio.value);
    }
    if (!any || sums.tasks == 0) continue;
    std::vector<TableCell> row{
        {.text = "Mean, " + to_string(group), .detail = counted(sums.tasks, "task")},
        {yes_no(group)},
        mean_cell(sums.scores, sums.tasks, 2),
        mean_cell(sums.full, sums.tasks, 2),
        mean_cell(sums.gains, sums.tasks, 2, true),
        mean_cell(sums.ratios, sums.ratios_of, 3)};
    if (sums.ratios_of < sums.tasks) {
      row.back().notes.push_back(table.note(
          "Mean of " + counted(sums.ratios_of, "ratio") + " of " + counted(sums.tasks, "task") +
          ": the others have a base below " + exact_text(claims.least_base) + " points"));
    }
    if (paper) row.push_back({kDash});
    for (TableCell& cell : row) {
      if (cell.tone == Tone::kPlain) cell.tone = Tone::kStrong;
    }
    table.add_row(std::move(row));
  }
  return table;
}

Table namm_means_table(std::span<const NammSection> sections, const NammResults& results,
                       const NammClaims& claims, const NammMethod& namm) {
  Table table;
  auto tasks = tasks_of(sections, results, namm);
  std::erase_if(tasks, [](const Task& task) { return task.panel().text; });
  if (tasks.empty()) return table;
  const bool paper = std::any_of(tasks.begin(), tasks.end(), [&](const Task& task) {
    return claims.of_benchmark(task.panel());
  });
  table.caption = "Means over tasks, beside " + claims.whole_label(namm);
  table.columns = {{"policy"}, {"memory beside NAMM"}};
  std::vector<Group> groups;
  for (const Group group : kGroups) {
    if (std::any_of(tasks.begin(), tasks.end(),
                    [&](const Task& task) { return task.group == group; })) {
      groups.push_back(group);
      table.columns.push_back({"score", Align::kRight, "tasks " + to_string(group)});
      table.columns.push_back({"normalised", Align::kRight, "tasks " + to_string(group)});
    }
  }
  if (paper) {
    const std::string heading = "LongBench, published";
    table.columns.push_back({"score", Align::kRight, heading});
    table.columns.push_back({"normalised", Align::kRight, heading});
    table.note("Published: " + claims.aggregate.model + ", " + claims.paper + " (arXiv " +
               claims.arxiv + "), " + claims.aggregate.place +
               "; published, not measured here, another model than ours.");
  }
  table.note(
      "Means with equal weights, of methods that have a number on every task of the column; "
      "ratios leave out tasks whose full cache has less than " +
      exact_text(claims.least_base) + " points.");
  std::vector<NammMethod> methods;
  for (const Task& task : tasks) {
    for (const NammMethod& method : task.panel().methods) {
      if (method.namm() && !method.same(namm)) continue;
      const bool known = std::any_of(methods.begin(), methods.end(),
                                     [&](const NammMethod& other) { return other.same(method); });
      if (!known) methods.push_back(method);
    }
  }
  for (const NammMethod& method : methods) {
    std::size_t equal = 0, compared = 0;
    std::vector<Sums> sums(groups.size());
    for (const Task& task : tasks) {
      const NammPanel& panel = task.panel();
      Sums& own = sums[static_cast<std::size_t>(
          std::find(groups.begin(), groups.end(), task.group) - groups.begin())];
      ++own.tasks;
      const auto index = method_of(panel, method);
      const auto measured = index ? measure(panel, panel.methods[*index]) : std::nullopt;
      const Normalised ratio = normalised(panel, measured, claims.least_base);
      own.ratios_of += !ratio.missing.starts_with("base below");
      if (measured) own.scores.push_back(measured->estimate.mean);
      if (ratio.value) own.ratios.push_back(*ratio.value);
      const NammComparison* one = index ? task.comparison(*index) : nullptr;
      compared += one != nullptr;
      equal += one && one->memory.equal();
    }
    std::vector<TableCell> row{{claims.whole_label(method)},
                               {method.namm()   ? "NAMM"
                                : compared == 0 ? "not known"
                                                : "equal in " + std::to_string(equal) + " of " +
                                                      counted(compared, "task")}};
    for (const Sums& own : sums) {
      row.push_back(mean_cell(own.scores, own.tasks, 2));
      row.push_back(mean_cell(own.ratios, own.ratios_of, 3));
    }
    if (paper) {
      row.push_back(published_cell(table, claims, method, ""));
      row.push_back(published_cell(table, claims, method, "normalised performance"));
    }
    table.add_row(std::move(row));
  }
  return table;
}

}  // namespace lethe::reports
