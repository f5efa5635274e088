// SPDX-License-Identifier: Apache-2.0
// The task retention on a model that evicts as it is told.
#include <map>

#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "models/checkpoint/model_config.h"
#include "tasks/registry.h"
#include "tasks/retention.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/tasks/fake_model.h"

namespace lethe::test {
namespace {

/// Three layers of one KV head; the first keep what `kept` says of a window, the last everything.
class Windows final : public FormulaModel {
 public:
  explicit Windows(std::vector<std::int64_t> kept) : kept_(std::move(kept)) {
    shape_.n_layers = static_cast<std::int64_t>(kept_.size()) + 1;
    shape_.n_heads = 2;
    shape_.n_kv_heads = 1;
  }
  const models::ModelConfig& config() const override { return shape_; }
  models::EvaluateResult evaluate(std::span<const std::int64_t> tokens,
                                  const policies::PolicyPlan& policy,
                                  const models::EvaluateOptions& options) const override {
    const auto count = static_cast<std::int64_t>(tokens.size());
    for (std::size_t layer = 0; layer <= kept_.size(); ++layer) {
      const auto at = static_cast<int>(layer);
      const std::int64_t kept = layer < kept_.size() ? kept_[layer] : count;
      for (std::int64_t step = kept; step < count; ++step) {
        options.observer->evicted(step, at, -1, step - kept, 0);
      }
      options.observer->kept(at, -1, {});
    }
    return FormulaModel::evaluate(tokens, policy, options);
  }

 private:
  std::vector<std::int64_t> kept_;
  models::ModelConfig shape_;
};

json::object run_once(const Windows& model, const policies::PolicyPlan& policy,
                      std::int64_t budget) {
  const TempDir folder;
  write_file_atomically(folder / "7.txt", "0123456789ABCDEFGHIJ");
  const auto task =
      tasks::make_task("retention", {{"data", folder.path().string()}}, 12, folder.path());
  tasks::RunSettings settings;
  settings.policy = policy;
  settings.budget = budget;
  const auto outcome = task->run("7/0", ByteTokenizer(), model, settings);
  const json::object found = parse_json(outcome.output, "output", ErrorKind::kData).as_object();
  REQUIRE(outcome.score);
  CHECK(tasks::RetentionTask::rescore(outcome.output) == Approx(*outcome.score));
  return found;
}

TEST_CASE("a layer where nothing leaves has no recency share, in its place", "[tasks][unit]") {
  policies::PolicyPlan policy = policies::known_policies().resolve("window");
  const json::object found = run_once(Windows({4, 4}), policy, 4);
  const json::array& layers = found.at("layers").as_array();
  REQUIRE(layers.size() == 3);
  CHECK(layers[0] == 1.0);
  CHECK(layers[1] == 1.0);
  CHECK(layers[2].is_null());
}

TEST_CASE("what is recent in a layer follows the layer's own budget", "[tasks][unit]") {
  policies::PolicyPlan policy = policies::known_policies().resolve("window");
  policy.layer_budget = [](const policies::LayerContext& layer, std::int64_t budget) {
    return layer.layer == 0 ? 2 * budget : budget / 2;
  };
  // Windows: all that is kept is recent, however many tokens a layer keeps.
  const json::object found = run_once(Windows({8, 2}), policy, 4);
  CHECK(found.at("layers").at(0) == 1.0);
  CHECK(found.at("layers").at(1) == 1.0);
  CHECK(found.at("recency_share") == 1.0);
}

TEST_CASE("tags are read when the task is made", "[tasks][unit]") {
  const TempDir folder;
  write_file_atomically(folder / "7.txt", "ab cd ef gh ij kl");
  write_file_atomically(folder / "7.tsv", "0\t2\tNN\n3\t5\tVB\n");
  const auto task = tasks::make_task(
      "retention", {{"data", folder.path().string()}, {"tags", folder.path().string()}}, 12,
      folder.path());
  write_file_atomically(folder / "7.tsv", "no tags any more\n");
  tasks::RunSettings settings;
  settings.policy = policies::known_policies().resolve("window");
  settings.budget = 4;
  const auto outcome = task->run("7/0", ByteTokenizer(), Windows({4}), settings);
  const json::value found = parse_json(outcome.output, "output", ErrorKind::kData);
  CHECK(found.at("tags").at("NN").at("tokens") == 2);
  CHECK(found.at("tags").at("VB").at("tokens") == 2);
}

}  // namespace
}  // namespace lethe::test
