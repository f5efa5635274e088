// SPDX-License-Identifier: Apache-2.0
#include "reports/claims.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "harness/base/json.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/published.h"

namespace lethe::reports {
namespace {

ClaimKind parse_kind(const std::string& text, const std::string& where) {
  if (text == "order") return ClaimKind::kOrder;
  if (text == "ratio") return ClaimKind::kRatio;
  if (text == "invariant") return ClaimKind::kInvariant;
  static const std::array<std::string, 3> known{"order", "ratio", "invariant"};
  throw unknown_name(ErrorKind::kData, "claim kind", text, known).add_context(where);
}

Claim read_claim(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, ErrorKind::kData);
  Claim claim;
  claim.id = reader.string("id");
  claim.kind = parse_kind(reader.string("kind"), reader.where("kind"));
  claim.statement = reader.string("statement");
  claim.source = reader.string("source");
  claim.tolerance_reason = reader.string("tolerance_reason");
  switch (claim.kind) {
    case ClaimKind::kOrder:
      claim.a = reader.string("a");
      claim.b = reader.string("b");
      claim.tolerance_nats = reader.number("tolerance_nats");
      break;
    case ClaimKind::kRatio:
      claim.a = reader.string("policy");
      claim.b = reader.string("reference");
      claim.fraction = reader.number("fraction_of_length");
      if (reader.has("at_least")) claim.at_least = reader.number("at_least");
      if (reader.has("at_most")) claim.at_most = reader.number("at_most");
      if (!claim.at_least && !claim.at_most) {
        throw Error(ErrorKind::kData, where + ": a ratio needs at_least or at_most");
      }
      break;
    case ClaimKind::kInvariant: {
      claim.b = reader.string("reference");
      const std::string place = reader.where("tolerance_nats");
      ObjectReader tolerances(reader.at("tolerance_nats"), place, ErrorKind::kData);
      for (const auto& member : value.at("tolerance_nats").as_object()) {
        const std::string dtype(member.key());
        claim.tolerance_of_dtype[dtype] = tolerances.number(dtype);
      }
      break;
    }
  }
  reader.finish();
  return claim;
}

/// Why two cells cannot be compared, or "" when they can.
std::string unusable(const CellResult* cell, const std::string& label) {
  if (!cell) return "no cell of " + label;
  if (cell->usable()) return "";
  return label + ": " + describe_missing(cell);
}

ClaimCheck not_comparable(const std::string& policy, std::optional<std::int64_t> budget,
                          std::string why) {
  ClaimCheck check;
  check.policy = policy;
  check.budget = budget;
  check.numbers = std::move(why);
  return check;
}

std::optional<std::int64_t> none_for_full(const std::string& policy, std::int64_t budget) {
  return policy == kFullPolicy ? std::nullopt : std::optional(budget);
}

/// The two cells' paired difference as a check without a verdict yet.
ClaimCheck paired_check(const Panel& panel, const ClaimSet& claims, const Claim& claim,
                        const Comparisons& comparisons, std::int64_t budget) {
  for (const std::string& policy : {claim.a, claim.b}) {
    const CellResult* cell = panel.find(policy, none_for_full(policy, budget));
    std::string why = unusable(cell, claims.label(policy));
    if (!cell && policy != kFullPolicy) why += " at budget " + with_thousands(budget);
    if (!why.empty()) return not_comparable(claim.a, budget, why);
  }
  const PairedDifference* found = comparisons.find(claim.a, claim.b, budget);
  if (!found) return not_comparable(claim.a, budget, "no sample is shared by the two cells");
  ClaimCheck check;
  check.policy = claim.a;
  check.budget = budget;
  check.samples = found->delta.n;
  check.books = found->delta.clusters;
  check.p = found->test.p_two_sided;
  check.p_holm = found->p_holm;
  const bool order = claim.kind == ClaimKind::kOrder;
  if (order) {
    check.numbers = "Δ mean NLL " + signed_fixed(found->delta.mean, 4) + ", claimed ≤ " +
                    fixed(claim.tolerance_nats, 4);
  } else {
    check.numbers = "ratio " + fixed(found->ratio, 3);
    if (claim.at_least) check.numbers += ", claimed ≥ " + fixed(*claim.at_least, 3);
    if (claim.at_most) check.numbers += ", claimed ≤ " + fixed(*claim.at_most, 3);
  }
  if (found->partial) check.numbers += ", not all samples are there yet";
  const bool holds = order ? found->delta.mean <= claim.tolerance_nats
                           : (!claim.at_least || found->ratio >= *claim.at_least) &&
                                 (!claim.at_most || found->ratio <= *claim.at_most);
  check.verdict = verdict_of(holds);
  return check;
}

ClaimCheck invariant_check(const Panel& panel, const Claim& claim, const CellResult& cell) {
  const auto tolerance = claim.tolerance_of_dtype.find(panel.settings.dtype);
  if (tolerance == claim.tolerance_of_dtype.end()) {
    return not_comparable(cell.policy, cell.budget,
                          "no tolerance is stated for " + panel.settings.dtype);
  }
  const CellResult* reference = panel.find(claim.b, std::nullopt);
  if (const std::string why = unusable(reference, "the full cache"); !why.empty()) {
    return not_comparable(cell.policy, cell.budget, why);
  }
  if (!cell.usable()) return not_comparable(cell.policy, cell.budget, describe_missing(&cell));
  const PairedSamples pairs = pair_samples(cell, *reference);
  if (pairs.difference.empty()) {
    return not_comparable(cell.policy, cell.budget, "no sample is shared with the full cache");
  }
  double largest = 0;
  for (const double difference : pairs.difference) {
    largest = std::max(largest, std::abs(difference));
  }
  ClaimCheck check;
  check.policy = cell.policy;
  check.budget = cell.budget;
  check.samples = pairs.difference.size();
  check.books = cluster_sums(pairs.difference, pairs.cluster).size();
  check.numbers = "largest |Δ mean NLL| of a sample " + scientific(largest) + ", allowed " +
                  scientific(tolerance->second);
  check.verdict = verdict_of(largest <= tolerance->second);
  return check;
}

/// Why the panel's protocol is another than the paper's, or "".
std::string protocol_difference(const Settings& settings, const ClaimSet& claims) {
  if (settings.task != claims.task) {
    return "the claim is about task " + claims.task + ", this is " + settings.task;
  }
  if (settings.schedule != claims.schedule) {
    return "schedule " + settings.schedule + ", the paper's is " + claims.schedule;
  }
  if (settings.positions != claims.positions) {
    return "positions " + settings.positions + ", the paper's are " + claims.positions;
  }
  return "";
}

std::vector<ClaimCheck> checks_of(const Panel& panel, const ClaimSet& claims, const Claim& claim,
                                  const Comparisons& comparisons) {
  std::vector<ClaimCheck> checks;
  if (claim.kind == ClaimKind::kInvariant) {
    for (const CellResult& cell : panel.cells) {
      if (cell.budget && *cell.budget >= panel.settings.length) {
        checks.push_back(invariant_check(panel, claim, cell));
      }
    }
    if (checks.empty())
      checks.push_back(not_comparable("", {}, "no cell has a budget of the length"));
    return checks;
  }
  if (const std::string why = protocol_difference(panel.settings, claims); !why.empty()) {
    return {not_comparable(claim.a, std::nullopt, why)};
  }
  if (claim.kind == ClaimKind::kRatio) {
    const double exact = claim.fraction * static_cast<double>(panel.settings.length);
    const auto budget = static_cast<std::int64_t>(std::llround(exact));
    return {paired_check(panel, claims, claim, comparisons, budget)};
  }
  for (const std::int64_t budget : panel.budgets()) {
    const bool asked = panel.find(claim.a, budget) || panel.find(claim.b, budget);
    if (budget < panel.settings.length && asked) {
      checks.push_back(paired_check(panel, claims, claim, comparisons, budget));
    }
  }
  if (checks.empty()) {
    checks.push_back(
        not_comparable(claim.a, std::nullopt, "no cells of these policies below the length"));
  }
  return checks;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kReproduced:
      return "reproduced";
    case Verdict::kNotReproduced:
      return "not reproduced";
    case Verdict::kNotComparable:
      break;
  }
  return "not comparable";
}

Verdict verdict_of(bool holds) {
  return holds ? Verdict::kReproduced : Verdict::kNotReproduced;
}

Tone tone_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kReproduced:
      return Tone::kGood;
    case Verdict::kNotReproduced:
      return Tone::kBad;
    case Verdict::kNotComparable:
      break;
  }
  return Tone::kPlain;
}

std::string policy_label(std::span<const PolicyName> names, std::string_view spec) {
  if (spec == kFullPolicy) return "Full cache";
  const auto at = std::find_if(names.begin(), names.end(),
                               [&](const PolicyName& policy) { return policy.spec == spec; });
  return at == names.end() ? std::string(spec) : at->label;
}

std::string ClaimSet::label(std::string_view spec) const {
  return policy_label(policies, spec);
}

std::vector<std::string> read_texts(ObjectReader& reader, std::string_view name) {
  std::vector<std::string> out;
  for (const json::value& item : reader.array(name)) {
    if (!item.is_string()) {
      throw Error(ErrorKind::kData, reader.where(name) + ": expected texts, found " +
                                        std::string(describe_type(item)));
    }
    out.emplace_back(item.as_string());
  }
  return out;
}

std::vector<PolicyName> read_policy_names(ObjectReader& reader) {
  std::vector<PolicyName> names;
  for (const json::value& item : reader.array("policies")) {
    ObjectReader entry(item, reader.where("policies") + "[" + std::to_string(names.size()) + "]",
                       ErrorKind::kData);
    names.push_back({entry.string("spec"), entry.string("published"), entry.string("label")});
    entry.finish();
  }
  return names;
}

ClaimSet read_claims(const std::filesystem::path& path) {
  const json::value file = read_json_file(path, ErrorKind::kData);
  ObjectReader reader(file, path.filename().string(), ErrorKind::kData);
  expect_schema(reader, "lethe-claims-1");
  ClaimSet set;
  reader.string("id");
  set.title = reader.string("title");
  set.published = reader.string("published");
  ObjectReader source(reader.at("source"), reader.where("source"), ErrorKind::kData);
  set.paper = source.string("paper");
  set.arxiv = source.string("arxiv");
  ObjectReader protocol(reader.at("protocol"), reader.where("protocol"), ErrorKind::kData);
  set.task = protocol.string("task");
  set.schedule = protocol.string("schedule");
  set.positions = protocol.string("positions");
  protocol.finish();
  const auto place = [&](std::string_view name, std::size_t index) {
    return reader.where(name) + "[" + std::to_string(index) + "]";
  };
  set.policies = read_policy_names(reader);
  std::size_t index = 0;
  for (const json::value& item : reader.array("comparisons")) {
    ObjectReader entry(item, place("comparisons", index++), ErrorKind::kData);
    set.comparisons.emplace_back(entry.string("a"), entry.string("b"));
    entry.finish();
  }
  index = 0;
  for (const json::value& item : reader.array("claims")) {
    set.claims.push_back(read_claim(item, place("claims", index++)));
  }
  reader.finish();
  return set;
}

Verdict ClaimOutcome::verdict() const {
  Verdict result = Verdict::kNotComparable;
  for (const ClaimCheck& check : checks) {
    if (check.verdict == Verdict::kNotReproduced) return Verdict::kNotReproduced;
    if (check.verdict == Verdict::kReproduced) result = Verdict::kReproduced;
  }
  return result;
}

std::string ClaimOutcome::summary() const {
  std::size_t held = 0;
  std::size_t made = 0;
  std::vector<std::string> failed;
  for (const ClaimCheck& check : checks) {
    if (check.verdict == Verdict::kNotComparable) continue;
    ++made;
    held += check.verdict == Verdict::kReproduced;
    if (check.verdict == Verdict::kNotReproduced) {
      std::string where = check.budget ? with_thousands(*check.budget) : check.policy;
      if (claim.kind == ClaimKind::kInvariant) where = check.policy + " at " + where;
      failed.push_back(std::move(where));
    }
  }
  if (made == 0 || checks.size() == 1) return checks.front().numbers;
  std::string text = "holds in " + std::to_string(held) + " of " + std::to_string(made) + " checks";
  if (!failed.empty()) text += "; fails at " + join(failed, ", ");
  if (made < checks.size()) {
    text += "; " + std::to_string(checks.size() - made) + " not comparable";
  }
  return text;
}

const PairedDifference* Comparisons::find(std::string_view a, std::string_view b,
                                          std::int64_t budget) const {
  for (const auto* list : {&between, &against_full}) {
    for (const PairedDifference& row : *list) {
      if (row.a == a && row.b == b && row.budget == budget) return &row;
    }
  }
  return nullptr;
}

Comparisons compare_panel(const Panel& panel, const ClaimSet& claims) {
  std::vector<std::pair<std::string, std::string>> pairs = claims.comparisons;
  for (const Claim& claim : claims.claims) {
    const auto pair = std::make_pair(claim.a, claim.b);
    if (claim.kind == ClaimKind::kOrder &&
        std::find(pairs.begin(), pairs.end(), pair) == pairs.end()) {
      pairs.push_back(pair);
    }
  }
  Comparisons result;
  const auto compare = [&](const CellResult* a, const CellResult* b, std::int64_t budget,
                           std::vector<PairedDifference>& into) {
    if (!a || !b || !a->usable() || !b->usable() || budget >= panel.settings.length) return;
    if (auto row = compare_cells(*a, *b, budget)) into.push_back(std::move(*row));
  };
  for (const auto& [a, b] : pairs) {
    for (const std::int64_t budget : panel.budgets()) {
      compare(panel.find(a, budget), panel.find(b, budget), budget, result.between);
    }
  }
  for (const std::string& policy : policy_order(panel, claims)) {
    for (const std::int64_t budget : panel.budgets()) {
      compare(panel.find(policy, budget), panel.full(), budget, result.against_full);
    }
  }
  adjust_for_multiplicity(result.between);
  adjust_for_multiplicity(result.against_full);
  return result;
}

std::vector<std::string> policy_order(const Panel& panel, const ClaimSet& claims) {
  std::vector<std::string> order;
  const auto add = [&](const std::string& policy) {
    if (std::find(order.begin(), order.end(), policy) == order.end()) order.push_back(policy);
  };
  const auto measured = [&](const std::string& policy) {
    return std::any_of(panel.cells.begin(), panel.cells.end(), [&](const CellResult& cell) {
      return cell.policy == policy && cell.budget.has_value();
    });
  };
  for (const PolicyName& policy : claims.policies) {
    if (measured(policy.spec)) add(policy.spec);
  }
  for (const CellResult& cell : panel.cells) {
    if (cell.budget) add(cell.policy);
  }
  return order;
}

std::vector<ClaimOutcome> check_claims(const Panel& panel, const ClaimSet& claims,
                                       const Comparisons& comparisons) {
  std::vector<ClaimOutcome> outcomes;
  for (const Claim& claim : claims.claims) {
    outcomes.push_back({claim, checks_of(panel, claims, claim, comparisons)});
  }
  return outcomes;
}

}  // namespace lethe::reports
