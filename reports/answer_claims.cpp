// SPDX-License-Identifier: Apache-2.0
#include "reports/answer_claims.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <span>

#include "harness/base/json.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/published.h"

namespace lethe::reports {
namespace {

void read_budgets(ObjectReader& reader, TaskClaim& claim) {
  const json::value& budgets = reader.at("budgets");
  if (!budgets.is_string()) {
    claim.budgets = ClaimBudgets::kFraction;
    claim.fraction = reader.number("budgets");
    return;
  }
  static const std::array<std::string, 2> known{"every", "some"};
  const std::string name = reader.string("budgets");
  if (name != "every" && name != "some") {
    throw unknown_name(ErrorKind::kData, "budgets", name, known)
        .add_context(reader.where("budgets"));
  }
  claim.budgets = name == "every" ? ClaimBudgets::kEvery : ClaimBudgets::kSome;
}

TaskClaim read_claim(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, ErrorKind::kData);
  TaskClaim claim;
  claim.id = reader.string("id");
  claim.tasks = read_texts(reader, "tasks");
  claim.statement = reader.string("statement");
  claim.source = reader.string("source");
  claim.tolerance_reason = reader.string("tolerance_reason");
  claim.a = reader.string("a");
  claim.b = reader.string("b");
  read_budgets(reader, claim);
  if (reader.has("at_least")) claim.at_least = reader.number("at_least");
  if (reader.has("above")) claim.above = reader.number("above");
  if (reader.has("below")) claim.below = reader.number("below");
  if (!claim.at_least && !claim.above && !claim.below) {
    throw Error(ErrorKind::kData, where + ": expected at_least, above or below, found none");
  }
  reader.finish();
  return claim;
}

AnswerColumn column_of(const std::string& policy, std::int64_t budget) {
  if (policy == kFullPolicy) return {policy, std::nullopt};
  return {policy, budget};
}

std::string unusable(const AnswerPanel& panel, std::size_t task, const AnswerColumn& column,
                     const TaskClaims& claims) {
  const auto index = panel.column(column);
  const AnswerCell* cell = index ? panel.find(task, *index) : nullptr;
  if (!cell) return "no cell of " + claims.label(column);
  if (cell->usable()) return "";
  return claims.label(column) + ": " +
         describe_missing(cell->status, cell->reason, cell->samples.size(), cell->wanted, "score");
}

TaskClaimCheck check_at(const AnswerPanel& panel, const TaskClaims& claims, const TaskClaim& claim,
                        std::size_t task, std::int64_t budget) {
  TaskClaimCheck check;
  check.task = panel.tasks[task].title;
  check.budget = budget;
  const AnswerColumn a = column_of(claim.a, budget);
  const AnswerColumn b = column_of(claim.b, budget);
  for (const AnswerColumn& column : {a, b}) {
    check.numbers = unusable(panel, task, column, claims);
    if (!check.numbers.empty()) return check;
  }
  check.difference = compare_columns(panel, std::array{task}, *panel.column(a), *panel.column(b));
  if (!check.difference) {
    check.numbers = "no sample with a score is shared by the two cells";
    return check;
  }
  const double delta = check.difference->delta.value;
  const auto documents = check.difference->delta.clusters;
  check.numbers = claims.label(claim.a) + " − " + claims.label(claim.b) + " = " +
                  signed_fixed(delta, 2) + " points over " + counted(documents, "document") +
                  ", claimed " + claim.bounds();
  if (check.difference->partial) check.numbers += ", not all samples are there yet";
  if (documents < 2) {
    check.numbers += ": one document says nothing of others";
    return check;
  }
  check.verdict = verdict_of(claim.holds(delta));
  return check;
}

TaskClaimCheck nothing(std::string why) {
  TaskClaimCheck check;
  check.numbers = std::move(why);
  return check;
}

std::vector<std::int64_t> budgets_of(const AnswerPanel& panel, const TaskClaim& claim) {
  if (claim.budgets == ClaimBudgets::kFraction) {
    return {std::llround(claim.fraction * static_cast<double>(panel.settings.length))};
  }
  std::vector<std::int64_t> budgets;
  for (const AnswerColumn& column : panel.columns) {
    if (!column.budget || *column.budget >= panel.settings.length) continue;
    if (column.policy == claim.a || column.policy == claim.b) budgets.push_back(*column.budget);
  }
  std::sort(budgets.begin(), budgets.end());
  budgets.erase(std::unique(budgets.begin(), budgets.end()), budgets.end());
  return budgets;
}

std::vector<TaskClaimCheck> checks_of(const AnswerPanel& panel, const TaskClaims& claims,
                                      const TaskClaim& claim) {
  const Settings& s = panel.settings;
  if (s.schedule != claims.schedule) {
    return {nothing("schedule " + s.schedule + ", the paper's is " + claims.schedule)};
  }
  if (s.positions != claims.positions) {
    return {nothing("positions " + s.positions + ", the paper's are " + claims.positions)};
  }
  std::vector<TaskClaimCheck> checks;
  bool found = false;
  for (std::size_t task = 0; task < panel.tasks.size(); ++task) {
    const auto& name = panel.tasks[task].name;
    if (std::find(claim.tasks.begin(), claim.tasks.end(), name) == claim.tasks.end()) continue;
    found = true;
    if (panel.has_twin(task)) {
      return {nothing("the database has " + panel.tasks[task].title +
                      " in two versions; report on the cells of one")};
    }
    for (const std::int64_t budget : budgets_of(panel, claim)) {
      checks.push_back(check_at(panel, claims, claim, task, budget));
    }
  }
  if (!found) return {nothing("no cell of task " + join(claim.tasks, " or "))};
  if (checks.empty()) return {nothing("no cells of these policies below the length")};
  return checks;
}

/// "6 documents", "2 to 6 documents": of each check.
std::string documents_of(std::span<const TaskClaimCheck* const> made) {
  const auto [least, most] =
      std::minmax_element(made.begin(), made.end(), [](const auto* a, const auto* b) {
        return a->difference->delta.clusters < b->difference->delta.clusters;
      });
  const std::size_t few = (*least)->difference->delta.clusters;
  const std::size_t many = (*most)->difference->delta.clusters;
  return (few == many ? "" : std::to_string(few) + " to ") + counted(many, "document");
}

/// "p = 0.031 against no difference": the verdict follows the claim's bound, p tests another thing.
std::string p_of(std::span<const TaskClaimCheck* const> made) {
  double least = 1;
  for (const auto* check : made) least = std::min(least, check->difference->test.p_two_sided);
  return (made.size() == 1 ? "p = " : "least p = ") + p_text(least) + " against no difference";
}

void adjust(std::vector<TaskClaimOutcome>& outcomes) {
  std::vector<ScoreDifference> rows;
  for (const auto& outcome : outcomes) {
    for (const auto& check : outcome.checks) {
      if (check.difference) rows.push_back(*check.difference);
    }
  }
  adjust_for_multiplicity(rows);
  std::size_t next = 0;
  for (auto& outcome : outcomes) {
    for (auto& check : outcome.checks) {
      if (check.difference) check.difference->p_holm = rows[next++].p_holm;
    }
  }
}

}  // namespace

bool TaskClaim::holds(double delta) const {
  // Points are sums of rounded numbers: equal to the bound but for their last bits is equal.
  constexpr double kRounding = 1e-9;
  return (!at_least || delta >= *at_least - kRounding) && (!above || delta > *above + kRounding) &&
         (!below || delta < *below - kRounding);
}

std::string TaskClaim::bounds() const {
  std::vector<std::string> parts;
  if (at_least) parts.push_back("≥ " + fixed(*at_least, 2));
  if (above) parts.push_back("> " + fixed(*above, 2));
  if (below) parts.push_back("< " + fixed(*below, 2));
  return join(parts, " and ");
}

std::string TaskClaims::policy_label(const AnswerColumn& column) const {
  return label(column.policy) + (column.build.empty() ? "" : " (build " + column.build + ")");
}

std::string TaskClaims::label(const AnswerColumn& column) const {
  return policy_label(column) + (column.budget ? " " + with_thousands(*column.budget) : "");
}

std::string TaskClaims::note_on(std::string_view of_benchmark) const {
  for (const auto& [name, note] : elsewhere) {
    if (name == of_benchmark) return note;
  }
  return "";
}

TaskClaims read_task_claims(const std::filesystem::path& path) {
  const json::value file = read_json_file(path, ErrorKind::kData);
  ObjectReader reader(file, path.filename().string(), ErrorKind::kData);
  expect_schema(reader, "lethe-task-claims-1");
  TaskClaims claims;
  reader.string("id");
  reader.string("title");
  ObjectReader source(reader.at("source"), reader.where("source"), ErrorKind::kData);
  claims.paper = source.string("paper");
  claims.arxiv = source.string("arxiv");
  claims.model = reader.string("model");
  ObjectReader protocol(reader.at("protocol"), reader.where("protocol"), ErrorKind::kData);
  claims.benchmark = protocol.string("benchmark");
  claims.schedule = protocol.string("schedule");
  claims.positions = protocol.string("positions");
  protocol.finish();
  claims.policies = read_policy_names(reader);
  for (const json::value& item : reader.array("claims")) {
    claims.claims.push_back(read_claim(
        item, reader.where("claims") + "[" + std::to_string(claims.claims.size()) + "]"));
  }
  for (const json::value& item : reader.array("elsewhere")) {
    ObjectReader entry(item, reader.where("elsewhere"), ErrorKind::kData);
    const std::string note = entry.string("note");
    for (const auto& name : read_texts(entry, "benchmarks"))
      claims.elsewhere.emplace_back(name, note);
    entry.finish();
  }
  reader.finish();
  return claims;
}

Verdict TaskClaimOutcome::verdict() const {
  const auto any = [&](Verdict wanted) {
    return std::any_of(checks.begin(), checks.end(),
                       [&](const TaskClaimCheck& check) { return check.verdict == wanted; });
  };
  const bool held = any(Verdict::kReproduced);
  const bool failed = any(Verdict::kNotReproduced);
  if (claim.budgets == ClaimBudgets::kSome && held) return Verdict::kReproduced;
  if (failed) return Verdict::kNotReproduced;
  return held ? Verdict::kReproduced : Verdict::kNotComparable;
}

std::string TaskClaimOutcome::summary() const {
  std::size_t held = 0;
  std::vector<std::string> failed;
  std::vector<const TaskClaimCheck*> made;
  std::set<std::int64_t> sizes;
  for (const TaskClaimCheck& check : checks) {
    if (check.verdict == Verdict::kNotComparable) continue;
    made.push_back(&check);
    sizes.insert(*check.budget);
    held += check.verdict == Verdict::kReproduced;
    if (check.verdict == Verdict::kNotReproduced) failed.push_back(with_thousands(*check.budget));
  }
  if (made.empty()) return checks.front().numbers;
  const std::string of_sizes = counted(sizes.size(), "size") + ", ";
  if (checks.size() == 1) {
    return made.front()->numbers + "; " +
           (claim.budgets == ClaimBudgets::kFraction ? "" : of_sizes) + p_of(made);
  }
  std::string text = "holds in " + std::to_string(held) + " of " + counted(made.size(), "check") +
                     ": " + of_sizes + documents_of(made) + "; " + p_of(made);
  if (!failed.empty()) text += "; not at " + join(failed, ", ");
  if (made.size() < checks.size()) {
    text += "; " + std::to_string(checks.size() - made.size()) + " not comparable";
  }
  return text;
}

std::vector<TaskClaimOutcome> check_task_claims(const AnswerPanel& panel,
                                                const TaskClaims& claims) {
  std::vector<TaskClaimOutcome> outcomes;
  if (panel.benchmark != claims.benchmark) return outcomes;
  for (const TaskClaim& claim : claims.claims) {
    outcomes.push_back({claim, checks_of(panel, claims, claim)});
  }
  adjust(outcomes);
  return outcomes;
}

}  // namespace lethe::reports
