// SPDX-License-Identifier: Apache-2.0
// Runs the policy of one layer: builds its view, asks, checks the plan, and has the cache apply it.
// Both paths of the engine go through here, so a policy cannot tell them apart.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "models/engine/evaluate.h"
#include "models/engine/kv_cache.h"
#include "policies/registry.h"

namespace lethe::models {

/// Attention of the newest query over one table: where the rows of its query heads are.
using AttentionOf =
    std::function<policies::AttentionRows(std::size_t table, std::span<const std::int32_t> order)>;

class LayerPolicy {
 public:
  LayerPolicy(const policies::PolicyPlan& plan, const policies::LayerContext& context,
              std::optional<std::int64_t> budget, EvaluationObserver* observer);

  const policies::PolicyTraits& traits() const { return plan_.traits; }
  /// Whether the policy keeps history: it must see every attention row, also before the cache is
  /// full.
  bool wants_every_row() const {
    return (traits().reads_attention || traits().reads_key_norms) && traits().last_rows == 0;
  }

  /// Whether none of the next `rows` tokens can make a token leave.
  bool keeps_all(const LayerCache& cache, std::int64_t rows) const;

  /// Token `step` has attended and is live: observe, and evict down to the budget. `attention` is
  /// called only for policies that read it. Returns the slots freed per table (empty lists when
  /// nothing left), valid until the next call.
  const std::vector<std::vector<std::int32_t>>& after_token(std::int64_t step, LayerCache& cache,
                                                            const AttentionOf& attention);
  void save(StateWriter& out, const std::string& prefix) const;
  void load(const StateReader& in, const std::string& prefix);
  /// Final counts; also reports the kept sets to the observer.
  LayerStats finish(std::int64_t seen, const LayerCache& cache) const;

 private:
  policies::CacheView view_of(std::int64_t step, const LayerCache& cache,
                              const AttentionOf& attention);

  const policies::PolicyPlan& plan_;
  std::unique_ptr<policies::EvictionPolicy> policy_;
  int layer_;
  std::size_t budget_;  // without the pinned tokens
  std::size_t pinned_;
  EvaluationObserver* observer_;
  std::int64_t evicted_ = 0;
  policies::EvictionPlan victims_;
  std::vector<policies::HeadCache> heads_;
  std::vector<std::vector<std::int32_t>> nothing_freed_;
};

}  // namespace lethe::models
