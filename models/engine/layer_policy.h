// SPDX-License-Identifier: Apache-2.0
// Runs the policy of one layer: builds its view, asks at the cuts of the schedule, checks the plan,
// and has the cache apply it. Both paths of the engine go through here, so a policy cannot tell
// them apart.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "models/engine/evaluate.h"
#include "models/engine/kv_cache.h"
#include "models/engine/row_history.h"
#include "policies/registry.h"

namespace lethe::models {

/// Attention of the newest query over one table: where the rows of its query heads are.
using AttentionOf =
    std::function<policies::AttentionRows(std::size_t table, std::span<const std::int32_t> order)>;

class LayerPolicy {
 public:
  /// `window`: a sliding-window model's row t sees positions > t - window; 0 for none.
  LayerPolicy(const policies::PolicyPlan& plan, const policies::LayerContext& context,
              const EvaluateOptions& options, std::int64_t window);

  const policies::PolicyTraits& traits() const { return plan_.traits; }
  /// Whether the policy must be shown attention of rows that come before the first token leaves.
  bool has_memory() const { return wants_every_row() || traits().last_rows > 1 || window_ > 0; }
  /// How many tokens of a text of `tokens` come before the first that the policy may answer with an
  /// eviction: under any policy they are what they are under the full model.
  std::int64_t untouched(std::int64_t tokens) const;
  /// Whether after_token(step) will read attention, given the tokens live with this one.
  bool reads_row(std::int64_t step, const LayerCache& cache) const;
  /// Whether some of `rows` rows may be read, whatever is live then.
  bool may_read(std::int64_t first_step, std::int64_t rows) const;
  /// How many of the rows that follow can be computed before any token leaves: at least the first.
  /// At most `rows`.
  std::int64_t rows_before_loss(std::int64_t first_step, std::int64_t rows,
                                const LayerCache& cache) const;

  /// Where `rows` would part the rows that a policy looks at before a cut: the row after the cut.
  /// Elsewhere `rows`.
  std::int64_t past_observation(std::int64_t rows) const;

  /// Shows a policy that reads the whole text what each token receives: [kv_heads][tokens].
  void preview(const std::vector<std::vector<double>>& sums);

  /// Token `step` has attended and is live: observe, and at a cut evict down to the budget.
  /// `attention` is called only where reads_row() says so. Returns the slots freed per table (empty
  /// lists when nothing left), valid until the next call.
  const std::vector<std::vector<std::int32_t>>& after_token(std::int64_t step, LayerCache& cache,
                                                            const AttentionOf& attention);
  /// Token `step` became live where nothing can leave and nothing need be seen.
  void admit(const LayerCache& cache) { count_attended(cache); }

  void save(StateWriter& out, const std::string& prefix) const;
  void load(const StateReader& in, const std::string& prefix);
  /// Final counts; also reports the kept sets to the observer. Throws Error(kInternal) when a
  /// policy of fixed size did not hold what its schedule says at every token.
  LayerStats finish(std::int64_t seen, const LayerCache& cache) const;

 private:
  bool wants_every_row() const {
    return (traits().reads_attention || traits().reads_key_norms) && traits().last_rows == 0;
  }
  std::int64_t first_choice(std::int64_t step, std::int64_t room, std::int64_t end) const;
  bool in_observation_window(std::int64_t step) const;
  bool over_budget(const LayerCache& cache) const;
  std::size_t pinned_live(const SlotTable& table) const;
  std::int64_t last_lost(std::int64_t step) const;
  bool loses_to_window(std::int64_t step, const LayerCache& cache) const;
  void count_attended(const LayerCache& cache);
  void remember(const LayerCache& cache, const AttentionOf& attention);
  policies::CacheView view_of(std::int64_t step, const LayerCache& cache,
                              const AttentionOf& attention, bool with_attention);
  void drop_lost(std::int64_t step, LayerCache& cache);
  void evict(std::int64_t step, LayerCache& cache, const policies::CacheView& view);
  std::int64_t expected_attended(std::int64_t seen) const;

  const policies::PolicyPlan& plan_;
  policies::Schedule schedule_;
  std::unique_ptr<policies::EvictionPolicy> policy_;
  int layer_;
  std::int64_t window_;
  std::size_t budget_;  // without the pinned tokens
  std::size_t pinned_;
  EvaluationObserver* observer_;
  std::int64_t evicted_ = 0;
  std::int64_t lost_ = 0;
  std::int64_t attended_ = 0;  // summed over tables
  policies::EvictionPlan plan_now_;
  policies::EvictionPlan lost_in_view_;  // to the window, in terms of the policy's view
  std::vector<policies::HeadCache> heads_;
  std::vector<std::size_t> skipped_;              // [tables] pinned tokens before the view
  std::vector<RowHistory> history_;               // [tables] where last_rows > 1
  std::vector<std::vector<std::int32_t>> freed_;  // [tables]
};

}  // namespace lethe::models
