// SPDX-License-Identifier: Apache-2.0
// What makes a claim on 4,096 segments honest, and what of it a database shows.
#include <algorithm>
#include <functional>
#include <set>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/rmt_tables.h"

namespace lethe::reports {
namespace {

constexpr const char* kMet = "met";
constexpr const char* kMissing = "missing";
constexpr const char* kLook = "look";

constexpr std::size_t kControls = 4;  // reset, shuffled, none, a 1-segment checkpoint

using Numbers = std::set<std::int64_t>;

std::string list_of(const Numbers& numbers) {
  std::vector<std::string> parts;
  for (const std::int64_t number : numbers) parts.push_back(std::to_string(number));
  return parts.empty() ? "none recorded" : join(parts, ", ");
}

std::string list_of(const std::set<std::string>& names) {
  return names.empty() ? "none" : join(std::vector(names.begin(), names.end()), ", ");
}

/// What the carried groups of the paper's tasks say together.
class Rules {
 public:
  Rules(const RmtResults& results, const RmtClaims& claims) : results_(results), claims_(claims) {
    for (const RmtClaims::Task& task : claims.tasks) {
      for (const RmtGroup* group : results.carried(task.task)) groups_.push_back(group);
      if (!results.plain(task.task).empty()) tasks_.push_back(task.task);
    }
  }

  Table table() {
    table_.caption = "What makes a claim on long inputs honest";
    table_.columns = {{"rule"}, {"here"}, {"state"}};
    trained_lengths();
    seeds_apart();
    positions();
    rates();
    samples();
    controls();
    seeds();
    add("A tiny model on a synthetic vocabulary reproduces a mechanism, no absolute figure; "
        "deviations are declared",
        join(claims_.deviations, " "), kMet);
    return std::move(table_);
  }

 private:
  void add(const std::string& rule, const std::string& here, const std::string& state) {
    table_.add_row(std::vector<TableCell>{
        {rule}, {here}, {.text = state, .tone = state == kMet ? Tone::kGood : Tone::kBad}});
  }

  void trained_lengths() {
    Numbers trained;
    bool unknown = groups_.empty();
    for (const RmtGroup* group : groups_) {
      if (group->model().trained_segments) trained.insert(*group->model().trained_segments);
      unknown = unknown || !group->model().trained_segments;
    }
    const bool within = !trained.empty() && *trained.rbegin() <= claims_.trained_at_most;
    add("Trained, stopped and chosen on at most " + std::to_string(claims_.trained_at_most) +
            " segments; the long test is one frozen evaluation",
        "trained on at most, in segments: " + list_of(trained) +
            "; how a checkpoint was chosen stands in its own provenance",
        within && !unknown ? kMet : kLook);
  }

  void seeds_apart() {
    Numbers training, test, both;
    std::set<std::string> noise;
    for (const RmtGroup* group : groups_) {
      if (group->condition.seed) test.insert(*group->condition.seed);
      if (!group->condition.noise.empty()) noise.insert(group->condition.noise);
      for (const RmtLine& line : group->lines) {
        if (line.model.seed) training.insert(*line.model.seed);
      }
    }
    std::set_intersection(training.begin(), training.end(), test.begin(), test.end(),
                          std::inserter(both, both.end()));
    std::string here = "seeds of training " + list_of(training) + ", of test " + list_of(test) +
                       "; noise " + list_of(noise);
    if (!both.empty()) {
      here +=
          ". Equal numbers share nothing: samples of the test have streams named apart "
          "(docs/rmt.md)";
    }
    add("Noise, facts and questions of the test from other seeds than training, noise fresh in "
        "every segment",
        here, !test.empty() && !training.empty() ? kMet : kLook);
  }

  /// One line per task: what it has of `wanted`.
  void by_task(const std::string& rule, const std::string& none,
               const std::function<std::pair<std::string, bool>(const std::string&)>& look) {
    std::vector<std::string> parts;
    bool met = !tasks_.empty();
    for (const std::string& task : tasks_) {
      const auto [here, holds] = look(task);
      parts.push_back(task + ": " + here);
      met = met && holds;
    }
    add(rule, parts.empty() ? none : join(parts, "; "), met ? kMet : kMissing);
  }

  void positions() {
    by_task("The position of the fact is stated, at the start (the worst case) and anywhere",
            "no task of the paper", [&](const std::string& task) {
              std::set<std::string> facts;
              for (const RmtGroup* group : results_.plain(task)) {
                if (!group->condition.fact.empty()) facts.insert(group->condition.fact);
              }
              // Memorise is the task whose fact stands at the start.
              const bool both = facts.contains("start") && (task == "memorise" || facts.size() > 1);
              return std::pair(list_of(facts), both);
            });
  }

  void rates() {
    by_task(
        "Hard negatives in training and test are stated, with a test rate above the trained one",
        "no task of the paper", [&](const std::string& task) {
          std::set<std::string> training, test;
          bool above = false;
          for (const RmtGroup* group : results_.plain(task)) {
            const auto rate = [](double value) { return exact_text(100 * value) + " %"; };
            if (group->condition.confusers) test.insert(rate(*group->condition.confusers));
            const auto& trained = group->model().trained_confusers;
            if (trained) training.insert(rate(*trained));
            above = above || group->harder();
          }
          return std::pair("training " + list_of(training) + ", test " + list_of(test), above);
        });
  }

  void samples() {
    by_task("Samples and 95 % intervals at every length; at least " +
                std::to_string(claims_.samples_at_least) + " samples at the longest",
            "no task of the paper", [&](const std::string& task) {
              const RmtGroup& group = *results_.plain(task).front();
              const std::int64_t length = group.lengths().back();
              const auto mean = group.mean(length);
              const std::size_t n = mean ? mean->samples : 0;
              return std::pair(std::to_string(n) + " at " + with_thousands(length) + " tokens",
                               static_cast<std::int64_t>(n) >= claims_.samples_at_least);
            });
  }

  void controls() {
    std::set<std::string> found;
    for (const RmtControl& control : rmt_controls(results_)) {
      found.insert(to_string(control.group->memory));
    }
    for (const RmtGroup* group : groups_) {
      const bool beyond = group->segments(group->lengths().back()).value_or(0) > 1;
      if (group->model().trained_segments == 1 && beyond) found.insert("1-segment checkpoint");
    }
    add("Controls that must fail beside their computed expectation: memory reset, shuffled, none, "
        "and a 1-segment checkpoint",
        list_of(found), found.size() == kControls ? kMet : kMissing);
  }

  void seeds() {
    by_task("At least " + std::to_string(claims_.seeds_at_least) +
                " training seeds, with mean, least and most; never the best alone",
            "no task of the paper", [&](const std::string& task) {
              Numbers found;
              for (const RmtLine& line : results_.plain(task).front()->lines) {
                if (line.model.seed) found.insert(*line.model.seed);
              }
              return std::pair(list_of(found),
                               static_cast<std::int64_t>(found.size()) >= claims_.seeds_at_least);
            });
  }

  const RmtResults& results_;
  const RmtClaims& claims_;
  std::vector<const RmtGroup*> groups_;
  std::vector<std::string> tasks_;  ///< of the paper, with a plain group
  Table table_;
};

}  // namespace

Table rmt_rules_table(const RmtResults& results, const RmtClaims& claims) {
  return Rules(results, claims).table();
}

}  // namespace lethe::reports
