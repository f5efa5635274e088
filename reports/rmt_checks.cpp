// SPDX-License-Identifier: Apache-2.0
// The checks behind the verdicts on the RMT papers' claims.
#include <algorithm>
#include <cmath>
#include <set>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/rmt_claims.h"
#include "reports/statistics/binomial.h"
#include "reports/statistics/distributions.h"
#include "reports/statistics/multiple_testing.h"

namespace lethe::reports {
namespace {

constexpr double kAlpha = 0.05;  // of tests that a claim does not give a level for

std::string segments_text(std::int64_t segments) {
  return counted(static_cast<std::size_t>(segments), "segment");
}

/// Groups that a claim is about: tested at hard-negative rates that they know.
std::vector<const RmtGroup*> plain_groups(const RmtResults& results, const std::string& task) {
  std::vector<const RmtGroup*> found = results.plain(task);
  std::erase_if(found, [](const RmtGroup* group) { return group->harder(); });
  return found;
}

/// The group of a task that an order is judged by: a fact at the start travels all the way.
const RmtGroup* order_group(const RmtResults& results, const std::string& task,
                            std::int64_t segments) {
  const RmtGroup* found = nullptr;
  for (const RmtGroup* group : plain_groups(results, task)) {
    const auto length = group->length_of(segments);
    if (!length || !group->mean(*length)) continue;
    if (!found || (group->condition.fact == "start" && found->condition.fact != "start")) {
      found = group;
    }
  }
  return found;
}

std::string mean_text(const RmtMean& mean) {
  std::string text = "mean " + percent(mean.mean) + " over " + counted(mean.seeds, "seed");
  if (mean.models > 1) text += " (" + percent(mean.least) + " to " + percent(mean.most) + ")";
  return text + ", n ≥ " + std::to_string(mean.samples) + " each";
}

/// Of a mean over models: what their spread says, and not less than their samples do (two right and
/// two wrong answers are added, Agresti and Coull 1998: 64 of 64 is no certainty).
double standard_error(const RmtMean& mean, const std::vector<double>& shares) {
  const double n = static_cast<double>(mean.samples * mean.models);
  const double share = (n * mean.mean + 2) / (n + 4);
  const double of_samples = share * (1 - share) / (n + 4);
  double spread = 0;
  for (const double one : shares) spread += (one - mean.mean) * (one - mean.mean);
  const auto models = static_cast<double>(shares.size());
  if (shares.size() > 1) spread /= (models - 1) * models;
  return std::sqrt(std::max(of_samples, spread));
}

std::string longest_text(const RmtGroup& group) {
  const auto lengths = group.lengths();
  const auto segments = lengths.empty() ? std::nullopt : group.segments(lengths.back());
  return segments ? "the longest input has " + segments_text(*segments) : "no input has segments";
}

/// Checks of one claim, and the groups they are about.
class Checker {
 public:
  Checker(const RmtResults& results, const RmtClaims& claims, const RmtClaim& claim)
      : results_(results), claims_(claims), outcome_{claim, {}, true} {}

  RmtClaimOutcome run() {
    switch (outcome_.claim.kind) {
      case RmtClaimKind::kHeld:
        held();
        break;
      case RmtClaimKind::kOrder:
        order();
        break;
      case RmtClaimKind::kBeyond:
        beyond();
        break;
      case RmtClaimKind::kFlat:
        flat();
        break;
      case RmtClaimKind::kControls:
        controls();
        break;
      case RmtClaimKind::kMemory:
      case RmtClaimKind::kCost:
        growth();
        break;
    }
    if (outcome_.checks.empty()) add("", nothing());
    return std::move(outcome_);
  }

 private:
  void add(const std::string& what, const std::string& numbers,
           Verdict verdict = Verdict::kNotComparable) {
    outcome_.checks.push_back({what, numbers, verdict});
  }
  void about(const RmtGroup& group) {
    outcome_.mechanism = outcome_.mechanism && claims_.synthetic(group.condition);
  }
  std::string name(const RmtGroup& group) const {
    const std::string condition = group.condition.name();
    return claims_.label(group.condition.task) + (condition.empty() ? "" : ", " + condition);
  }

  std::string nothing() const {
    const RmtClaim& claim = outcome_.claim;
    switch (claim.kind) {
      case RmtClaimKind::kHeld:
      case RmtClaimKind::kOrder:
        return "no cells of " + join(claim.tasks, ", ") + " at " + segments_text(claim.segments) +
               (claim.kind == RmtClaimKind::kOrder ? " or more, all of them" : "");
      case RmtClaimKind::kBeyond:
        return "no cells of a checkpoint trained on " + segments_text(claim.trained_segments) +
               " beyond that";
      case RmtClaimKind::kFlat:
        return "no cells of a checkpoint trained on " + segments_text(claim.trained_segments) +
               " or more, within and beyond them";
      case RmtClaimKind::kControls:
        return "no cells with a broken memory (`rmt:memory=reset`, `shuffled`, `none`) at two "
               "segments or more";
      default:
        return "no cells of policy `rmt` at " + segments_text(claim.from) + " and beyond";
    }
  }

  void held() {
    const RmtClaim& claim = outcome_.claim;
    for (const RmtGroup* group : plain_groups(results_, claim.tasks.front())) {
      const auto length = group->length_of(claim.segments);
      const auto mean = length ? group->mean(*length) : std::nullopt;
      if (!mean) {
        add(name(*group), longest_text(*group));
        continue;
      }
      about(*group);
      const bool enough = static_cast<std::int64_t>(mean->seeds) >= claims_.seeds_at_least;
      add(name(*group),
          mean_text(*mean) + ", claimed ≥ " + fixed(claim.bound, 1) + " %" +
              (enough ? "" : "; " + std::to_string(claims_.seeds_at_least) + " seeds are needed"),
          enough ? verdict_of(100 * mean->mean >= claim.bound) : Verdict::kNotComparable);
    }
  }

  void order() {
    std::set<std::int64_t> lengths;
    for (const RmtGroup* group : plain_groups(results_, outcome_.claim.tasks.front())) {
      for (const std::int64_t length : group->lengths()) {
        const auto segments = group->segments(length);
        if (segments && *segments >= outcome_.claim.segments) lengths.insert(*segments);
      }
    }
    for (const std::int64_t segments : lengths) order_at(segments);
  }

  void order_at(std::int64_t segments) {
    struct Place {
      double mean, error;
    };
    std::vector<Place> places;
    std::vector<std::string> parts;
    for (const std::string& task : outcome_.claim.tasks) {
      const RmtGroup* group = order_group(results_, task, segments);
      if (!group) return;
      about(*group);
      const std::int64_t length = *group->length_of(segments);
      const RmtMean mean = *group->mean(length);
      places.push_back({mean.mean, standard_error(mean, group->shares(length))});
      parts.push_back(
          task + " " + percent(mean.mean) +
          (group->condition.fact.empty() ? "" : " (fact " + group->condition.fact + ")"));
    }
    std::vector<std::string> open;
    bool reversed = false;
    for (std::size_t i = 0; i + 1 < places.size(); ++i) {
      const double ahead = places[i].mean - places[i + 1].mean;
      const double noise =
          normal_quantile(1 - kAlpha / 2) * std::hypot(places[i].error, places[i + 1].error);
      reversed = reversed || ahead < -noise;
      if (std::abs(ahead) <= noise) {
        open.push_back(outcome_.claim.tasks[i] + " and " + outcome_.claim.tasks[i + 1]);
      }
    }
    add(segments_text(segments),
        join(parts, ", ") +
            (open.empty() ? "" : "; within noise (95 %) of each other: " + join(open, ", ")),
        reversed        ? Verdict::kNotReproduced
        : !open.empty() ? Verdict::kNotComparable
                        : Verdict::kReproduced);
  }

  void beyond() {
    std::vector<double> p;
    std::vector<std::pair<NamedCheck, bool>> found;  // and whether it is above chance
    for (const RmtGroup& group : results_.groups) {
      if (group.memory != RmtMemory::kCarried ||
          group.model().trained_segments != outcome_.claim.trained_segments) {
        continue;
      }
      for (const RmtLine& line : group.lines) {
        for (const RmtCell& cell : line.cells) {
          const auto accuracy = cell.accuracy();
          if (!accuracy || !accuracy->correct || !cell.segments ||
              *cell.segments <= outcome_.claim.trained_segments) {
            continue;
          }
          const auto expected =
              expected_without_memory(group.condition, *cell.segments, cell.classes());
          if (!expected) continue;
          about(group);
          p.push_back(binomial_p(*accuracy->correct, accuracy->n, *expected));
          found.push_back({{line.model.name + ", " + segments_text(*cell.segments),
                            percent(accuracy->share) + " of " + std::to_string(accuracy->n) +
                                ", chance " + percent(*expected),
                            Verdict::kReproduced},
                           accuracy->share > *expected});
        }
      }
    }
    const std::vector<double> adjusted = holm(p);
    for (std::size_t i = 0; i < found.size(); ++i) {
      auto& [check, above] = found[i];
      check.verdict = verdict_of(!above || adjusted[i] >= kAlpha);
      outcome_.checks.push_back(std::move(check));
    }
  }

  void flat() {
    const RmtClaim& claim = outcome_.claim;
    for (const RmtClaims::Task& task : claims_.tasks) {
      const std::string recipe = results_.plain_recipe(task.task);
      for (const RmtGroup* group : results_.carried(task.task)) {
        const auto trained = group->model().trained_segments;
        if (!trained || *trained < claim.trained_segments || group->model().recipe != recipe)
          continue;
        std::optional<std::int64_t> within, outside;
        for (const std::int64_t length : group->lengths()) {
          const auto segments = group->segments(length);
          if (!segments || !group->mean(length)) continue;
          if (*segments <= *trained) within = length;
          if (*segments > *trained && *segments <= claim.segments) outside = length;
        }
        if (!within || !outside) continue;
        about(*group);
        const double before = group->mean(*within)->mean;
        const double after = group->mean(*outside)->mean;
        add(name(*group) + ", trained on " + std::to_string(*trained),
            "from " + percent(before) + " at " + segments_text(*group->segments(*within)) + " to " +
                percent(after) + " at " + std::to_string(*group->segments(*outside)),
            verdict_of(100 * (before - after) <= claim.bound));
      }
    }
  }

  void controls() {
    for (const RmtControl& control : rmt_controls(results_)) {
      about(*control.group);
      add(to_string(control.group->memory) + ", " + control.line->model.name + ", " +
              segments_text(*control.cell->segments) + ", fact " + control.group->condition.fact,
          percent(control.accuracy.share) + ", expected " + percent(control.expected) + ", p " +
              p_text(control.p) + " (Holm " + p_text(control.p_holm) + ")",
          verdict_of(control.p_holm >= outcome_.claim.bound));
    }
  }

  /// Bytes, or seconds per segment, of the longest input against the short one.
  void growth() {
    const RmtClaim& claim = outcome_.claim;
    for (const std::string& task : results_.tasks()) {
      for (const RmtGroup* group : plain_groups(results_, task)) {
        for (const RmtLine& line : group->lines) growth_of(*group, line, claim);
      }
    }
  }

  void growth_of(const RmtGroup& group, const RmtLine& line, const RmtClaim& claim) {
    const RmtCell* first = nullptr;
    const RmtCell* last = nullptr;
    for (const RmtCell& cell : line.cells) {
      if (!cell.segments || cell.samples.empty()) continue;
      if (*cell.segments == claim.from) first = &cell;
      if (*cell.segments > claim.from && *cell.segments <= claim.segments) last = &cell;
    }
    if (!first || !last) return;
    const bool memory = claim.kind == RmtClaimKind::kMemory;
    const double ratio = memory ? std::fmax(growth_in(*first, *last, &RmtSample::state_bytes),
                                            growth_in(*first, *last, &RmtSample::peak_bytes))
                                : last->seconds_per_segment() / first->seconds_per_segment();
    if (!std::isfinite(ratio)) return;
    about(group);
    bool holds = (memory ? ratio : std::max(ratio, 1 / ratio)) <= claim.bound;
    std::string numbers = "× " + fixed(ratio, 3) + " from " + std::to_string(*first->segments) +
                          " to " + segments_text(*last->segments) + ", claimed ≤ " +
                          fixed(claim.bound, 2);
    const double resident = growth_in(*first, *last, &RmtSample::resident_bytes);
    if (memory && std::isfinite(resident)) {
      holds = holds && resident <= claim.resident_bound;
      numbers +=
          "; the process × " + fixed(resident, 3) + ", claimed ≤ " + fixed(claim.resident_bound, 2);
    }
    const bool whole = *last->segments == claim.segments;
    if (!whole) numbers += "; no cell at " + with_thousands(claim.segments);
    add(line.model.name + ", " + name(group), numbers,
        whole ? verdict_of(holds) : Verdict::kNotComparable);
  }

  /// NaN where it was not measured: then 0 is stored.
  static double growth_in(const RmtCell& first, const RmtCell& last,
                          std::int64_t RmtSample::*bytes) {
    if (first.most(bytes) == 0) return std::nan("");
    return static_cast<double>(last.most(bytes)) / static_cast<double>(first.most(bytes));
  }

  const RmtResults& results_;
  const RmtClaims& claims_;
  RmtClaimOutcome outcome_;
};

}  // namespace

std::vector<RmtControl> rmt_controls(const RmtResults& results) {
  std::vector<RmtControl> controls;
  std::vector<double> p;
  for (const RmtGroup& group : results.groups) {
    const bool broken = group.memory == RmtMemory::kReset || group.memory == RmtMemory::kShuffled ||
                        group.memory == RmtMemory::kNone;
    if (!broken) continue;
    for (const RmtLine& line : group.lines) {
      for (const RmtCell& cell : line.cells) {
        const auto accuracy = cell.accuracy();
        if (!accuracy || !accuracy->correct || !cell.segments) continue;
        const auto expected =
            expected_without_memory(group.condition, *cell.segments, cell.classes());
        if (!expected) continue;
        RmtControl control{.group = &group,
                           .line = &line,
                           .cell = &cell,
                           .accuracy = *accuracy,
                           .expected = *expected};
        control.p = binomial_p(*accuracy->correct, accuracy->n, *expected);
        for (const RmtSample& sample : cell.samples) {
          if (!sample.score || sample.fact_segments.size() != 1) continue;
          const bool last = sample.fact_segments.front() == *cell.segments - 1;
          (last ? control.last : control.before) += 1;
          (last ? control.last_right : control.before_right) += *sample.score == 1;
        }
        p.push_back(control.p);
        controls.push_back(control);
      }
    }
  }
  const std::vector<double> adjusted = holm(p);
  for (std::size_t i = 0; i < controls.size(); ++i) controls[i].p_holm = adjusted[i];
  return controls;
}

std::vector<RmtClaimOutcome> check_rmt_claims(const RmtResults& results, const RmtClaims& claims) {
  std::vector<RmtClaimOutcome> outcomes;
  for (const RmtClaim& claim : claims.claims) {
    outcomes.push_back(Checker(results, claims, claim).run());
  }
  return outcomes;
}

}  // namespace lethe::reports
