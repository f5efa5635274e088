// SPDX-License-Identifier: Apache-2.0
#include "reports/retention_claims.h"

#include <algorithm>
#include <cmath>

#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/published.h"

namespace lethe::reports {
namespace {

std::vector<std::string> texts(ObjectReader& reader, std::string_view name) {
  std::vector<std::string> out;
  for (const json::value& item : reader.array(name)) out.emplace_back(item.as_string());
  return out;
}

std::string share_text(const Panel& panel, const RetentionClaims& claims) {
  return "no cell of " + claims.policy + " at " + fixed(claims.fraction, 3) + " of the length (" +
         with_thousands(
             std::llround(claims.fraction * static_cast<double>(panel.settings.length))) +
         " of " + with_thousands(panel.settings.length) + ")";
}

/// Where a budget of the length or more leaves everything in place, nothing is claimed.
std::vector<std::int64_t> evicting_budgets(const Panel& panel) {
  auto budgets = panel.budgets();
  std::erase_if(budgets, [&](std::int64_t budget) { return budget >= panel.settings.length; });
  return budgets;
}

RetentionFinding recency(const Panel& panel, const RetentionOutputs& outputs,
                         const RetentionClaims& claims) {
  RetentionFinding finding{claims.recency, Verdict::kNotComparable, share_text(panel, claims)};
  const auto budget = claimed_budget(panel, claims);
  const auto share =
      budget ? recency_of(samples_of(panel, outputs, claims.policy, *budget)) : std::nullopt;
  if (!share) return finding;
  const auto ends = interval(*share).value_or(Interval{share->mean, share->mean});
  finding.verdict =
      verdict_of(ends.high >= claims.recency_at_least && ends.low <= claims.recency_at_most);
  finding.numbers = percent(share->mean) + " " + percent_interval(*share) + " at budget " +
                    with_thousands(*budget) + ", " + counted(share->n, "sample");
  return finding;
}

RetentionFinding first(const Panel& panel, const RetentionOutputs& outputs,
                       const RetentionClaims& claims) {
  RetentionFinding finding{claims.first, Verdict::kNotComparable, "no cell of " + claims.policy};
  const auto length = static_cast<double>(panel.settings.length);
  bool holds = true;
  std::vector<std::string> parts;
  for (const auto budget : evicting_budgets(panel)) {
    const auto means =
        mean_of(samples_of(panel, outputs, claims.policy, budget), &RetentionSample::first);
    if (means.size() < 2) continue;
    double next = 0;
    for (std::size_t i = 1; i < means.size(); ++i) next += means[i].value_or(0);
    next /= static_cast<double>(means.size() - 1);
    const double own = means[0].value_or(0);
    holds = holds && own >= claims.first_at_least * length && next <= claims.next_at_most * length;
    parts.push_back(with_thousands(budget) + ": " + fixed(own, 0) + " and " + fixed(next, 0) +
                    " steps");
  }
  if (parts.empty()) return finding;
  finding.verdict = verdict_of(holds);
  finding.numbers =
      "of " + with_thousands(panel.settings.length) + ", at budget " + join(parts, ", ");
  return finding;
}

RetentionFinding sinks(const Panel& panel, const RetentionClaims& claims) {
  RetentionFinding finding{claims.sinks, Verdict::kNotComparable, "no cell with explicit sinks"};
  const auto rows = compare_sinks(panel, claims);
  const auto largest = std::max_element(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return std::abs(a.delta.mean) < std::abs(b.delta.mean);
  });
  if (largest == rows.end()) return finding;
  finding.verdict = verdict_of(std::abs(largest->delta.mean) <= claims.sink_tolerance_nats);
  finding.numbers = "largest difference " + signed_fixed(largest->delta.mean, 4) + " nats (" +
                    largest->a + " at " + with_thousands(largest->budget) + "), tolerance " +
                    fixed(claims.sink_tolerance_nats, 4);
  return finding;
}

RetentionFinding tags(const Panel& panel, const RetentionOutputs& outputs,
                      const RetentionClaims& claims) {
  RetentionFinding finding{claims.tags, Verdict::kNotComparable,
                           "the samples have no tags (option `tags` of the task)"};
  bool holds = true;
  std::vector<std::string> parts;
  for (const auto budget : evicting_budgets(panel)) {
    const auto& samples = samples_of(panel, outputs, claims.policy, budget);
    const auto found = tags_of(samples);
    const auto longer = mean_of_tags(found, claims.longer);
    const auto shorter = mean_of_tags(found, claims.shorter);
    if (!longer || !shorter) continue;
    holds = holds && *longer > *shorter;
    std::string part = with_thousands(budget) + ": " + fixed(*longer, 0) + " against " +
                       fixed(*shorter, 0) + " steps";
    const auto difference = difference_of_groups(samples, claims.longer, claims.shorter);
    const auto ends = difference ? interval(*difference) : std::nullopt;
    if (ends) {
      part += " (by sample " + signed_fixed(difference->mean, 0) + " [" +
              signed_fixed(ends->low, 0) + ", " + signed_fixed(ends->high, 0) + "])";
    }
    parts.push_back(std::move(part));
  }
  if (parts.empty()) return finding;
  finding.verdict = verdict_of(holds);
  finding.numbers = "at budget " + join(parts, ", ");
  return finding;
}

}  // namespace

RetentionClaims read_retention_claims(const std::filesystem::path& path) {
  const json::value file = read_json_file(path, ErrorKind::kData);
  ObjectReader reader(file, path.filename().string(), ErrorKind::kData);
  expect_schema(reader, "lethe-retention-claims-1");
  RetentionClaims claims;
  ObjectReader source(reader.at("source"), reader.where("source"), ErrorKind::kData);
  claims.paper = source.string("paper");
  claims.arxiv = source.string("arxiv");
  claims.published = reader.string("published");
  claims.policy = reader.string("policy");
  claims.fraction = reader.number("fraction_of_length");
  std::size_t index = 0;
  for (const json::value& item : reader.array("claims")) {
    ObjectReader claim(item, reader.where("claims") + "[" + std::to_string(index++) + "]",
                       ErrorKind::kData);
    const RetentionClaims::Statement statement{claim.string("statement"), claim.string("source")};
    const std::string kind = claim.string("kind");
    if (kind == "recency") {
      claims.recency = statement;
      claims.recency_at_least = claim.number("at_least");
      claims.recency_at_most = claim.number("at_most");
    } else if (kind == "first") {
      claims.first = statement;
      claims.first_at_least = claim.number("first_at_least");
      claims.next_at_most = claim.number("next_at_most");
    } else if (kind == "sinks") {
      claims.sinks = statement;
      claims.sink_policies = texts(claim, "policies");
      claims.sink_tolerance_nats = claim.number("tolerance_nats");
    } else if (kind == "tags") {
      claims.tags = statement;
      claims.longer = texts(claim, "longer");
      claims.shorter = texts(claim, "shorter");
    } else {
      throw Error(
          ErrorKind::kData,
          claim.where("kind") + ": expected recency, first, sinks or tags, found '" + kind + "'");
    }
  }
  return claims;
}

std::optional<std::int64_t> claimed_budget(const Panel& panel, const RetentionClaims& claims) {
  const double wanted = claims.fraction * static_cast<double>(panel.settings.length);
  for (const auto budget : panel.budgets()) {
    if (static_cast<double>(budget) == wanted && panel.find(claims.policy, budget)) return budget;
  }
  return std::nullopt;
}

std::vector<PairedDifference> compare_sinks(const Panel& panel, const RetentionClaims& claims) {
  std::vector<PairedDifference> rows;
  for (const std::string& policy : claims.sink_policies) {
    for (const auto budget : evicting_budgets(panel)) {
      const CellResult* own = panel.find(policy, budget);
      const CellResult* plain = panel.find(claims.policy, budget);
      if (!own || !plain || !own->usable() || !plain->usable()) continue;
      if (auto row = compare_cells(*own, *plain, budget)) rows.push_back(std::move(*row));
    }
  }
  adjust_for_multiplicity(rows);
  return rows;
}

std::vector<RetentionFinding> check_retention(const Panel& panel, const RetentionOutputs& outputs,
                                              const RetentionClaims& claims) {
  return {recency(panel, outputs, claims), first(panel, outputs, claims), sinks(panel, claims),
          tags(panel, outputs, claims)};
}

}  // namespace lethe::reports
