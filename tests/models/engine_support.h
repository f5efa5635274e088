// SPDX-License-Identifier: Apache-2.0
// What the engine tests share: a recorder of victims, golden cases, and the rule for flips at near
// ties.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/base/seed.h"
#include "models/engine/evaluate.h"

namespace lethe::test {

/// Victims and kept sets of one evaluation, per (layer, head); head -1 for layer scope.
class Recorder final : public models::EvaluationObserver {
 public:
  struct Eviction {
    std::int64_t step;
    std::int64_t position;
    bool operator==(const Eviction&) const = default;
  };
  using Key = std::pair<int, int>;

  void evicted(std::int64_t step, int layer, int head, std::int64_t position,
               double margin) override;
  void kept(int layer, int head, std::span<const std::int64_t> positions) override;
  void scored(std::int64_t step, double nll) override;

  std::map<Key, std::vector<Eviction>> victims;
  std::map<Key, std::vector<std::int64_t>> kept_sets;
  std::vector<double> nll;
  std::int64_t first_scored = 0;
};

/// One golden policy case: victims, kept sets and relative margins per (layer, head).
struct PolicyCase {
  std::string policy;
  std::int64_t budget = 0;
  std::vector<double> nll;
  double mean_nll = 0;
  std::map<Recorder::Key, std::vector<std::int64_t>> victims;
  std::map<Recorder::Key, std::vector<std::int64_t>> kept;
  std::map<Recorder::Key, std::vector<double>> margin_rel;
};

/// Position of the first victim that differs where a near tie excuses it. A flip in layer l at
/// token t excuses that head after t and all layers above l after t; every other victim is
/// compared.
struct FlipReport {
  std::int64_t flips = 0;         ///< victims that differ without an earlier excuse
  std::int64_t first_token = -1;  ///< of the earliest flip; -1 for none
  std::string unexcused;          ///< description of a difference that no near tie explains
};
FlipReport compare_victims(const PolicyCase& expected, const Recorder& actual, double near_tie);

double mean(const std::vector<double>& values);
/// Largest |a - b| over the first `count` values (all when count < 0).
double max_difference(const std::vector<double>& a, const std::vector<double>& b,
                      std::int64_t count = -1);

/// Small specifications of every registered policy that takes a budget: defaults, scopes, sinks.
std::vector<std::string> every_policy();

/// A tiny golden checkpoint, loaded once per name, type and place.
const models::Model& tiny_model(const std::string& name, models::DType dtype,
                                const models::LoadOptions& where = {});
std::vector<std::int64_t> random_ids(std::int64_t count, std::uint64_t seed);

/// One evaluation with what it evicted.
struct Run {
  Recorder recorder;
  models::EvaluateResult result;
};
Run run(const models::Model& model, const std::vector<std::int64_t>& ids, const std::string& policy,
        models::EvaluateOptions options);
/// On llama_gqa_tied.
Run run(const std::vector<std::int64_t>& ids, const std::string& policy, models::DType dtype,
        models::EvaluateOptions options);

/// Tiny checkpoints that differ in query heads per KV head, biases, width of a head, sliding
/// windows (of all layers, of some) and caps.
extern const std::vector<std::string> kShapes;

/// Same victims, kept sets, bytes and lifetimes; NLL within `tolerance`.
void check_same(const Run& expected, const Run& found, double tolerance);

/// Holds the newest state; one is due after every chunk.
class StateInMemory final : public models::StateKeeper {
 public:
  std::string owner() const override { return owned_by; }
  std::optional<std::string> load() override { return state; }
  void refused(const std::string& why) override { refusal = why; }
  bool due() override { return true; }
  void save(const std::string& bytes) override {
    state = bytes;
    ++saves;
  }
  std::optional<std::string> state;
  std::string owned_by = "tiny", refusal;
  int saves = 0;
};

/// A schedule that `policy` can honour on a text of `length` tokens; exact, where it can, in one
/// case of four.
policies::Schedule random_schedule(RandomStream& random, const std::string& policy,
                                   std::int64_t length);
/// Budget, seed, block, chunk, schedule and beginning of an evaluation of at least 6 tokens.
models::EvaluateOptions random_options(RandomStream& random, const std::string& policy,
                                       std::int64_t length);

}  // namespace lethe::test
