// SPDX-License-Identifier: Apache-2.0
// The policy interface: who leaves the cache. Policies see host numbers, never tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lethe {
class StateReader;
class StateWriter;
}  // namespace lethe

namespace lethe::policies {

/// Whether all KV heads of a layer lose the same token, or each its own.
enum class Scope { kLayer, kKvHead };

/// Where a policy instance lives. `group` = query heads per KV head.
struct LayerContext {
  int layer = 0;
  int n_layers = 1;
  int kv_heads = 1;
  int group = 1;
  std::uint64_t seed = 0;  ///< of the cell; policies derive their own streams from it
};

/// What a policy needs, asked once after construction; the engine prepares nothing else.
struct PolicyTraits {
  Scope scope = Scope::kLayer;
  bool reads_attention = false;
  bool reads_key_norms = false;
  /// 0: every attention row is delivered once, in order. w > 0: only the last w rows before a
  /// decision are wanted (SnapKV's observation window).
  int last_rows = 0;
  /// The policy is asked for victims every `update_interval` tokens (NAMM: 512).
  int update_interval = 1;
  /// The first `pinned` positions never leave (sinks). The engine keeps them: a policy's view and
  /// budget leave them out.
  std::int64_t pinned = 0;
  /// False: the policy keeps what it likes and takes no budget (full).
  bool takes_budget = true;
  /// False: select() may return nothing although the cache is over budget (NAMM without a cap).
  bool fixed_size = true;
};

/// Softmax weights of the most recent query rows over the cached tokens of one HeadCache: logical
/// shape [rows, query heads, cached]. Rows of dead columns are zero. Values live in slots; the
/// index list `order` maps view index -> slot, so reading through it costs a gather, and the
/// reductions below, which run over whole slots first, are the fast way.
class AttentionRows {
 public:
  AttentionRows() = default;
  /// `float` rows, or `double` rows when the cell computes in float64. `head_stride` and
  /// `row_stride` count elements; `slots` is the number of slots in one row.
  AttentionRows(const float* data, int rows, int heads, std::size_t row_stride,
                std::size_t head_stride, std::size_t slots, std::span<const std::int32_t> order);
  AttentionRows(const double* data, int rows, int heads, std::size_t row_stride,
                std::size_t head_stride, std::size_t slots, std::span<const std::int32_t> order);

  bool empty() const { return rows_ == 0; }
  int rows() const { return rows_; }
  int heads() const { return heads_; }
  std::size_t cached() const { return order_.size(); }
  /// Weight of cached token `i` (view order) for query row `row` and query head `head`.
  double at(int row, int head, std::size_t i) const;
  /// out[i] = mean over the query heads of row `row`. `out` has cached() elements. Summed in the
  /// precision of the rows (float32 accumulation for float32 rows).
  void mean_over_heads(int row, std::span<double> out) const;

 private:
  const float* f32_ = nullptr;
  const double* f64_ = nullptr;
  int rows_ = 0;
  int heads_ = 0;
  std::size_t row_stride_ = 0;
  std::size_t head_stride_ = 0;
  std::size_t slots_ = 0;
  std::span<const std::int32_t> order_;
};

/// The cached tokens of one KV head, or of the whole layer for Scope::kLayer, in ascending order of
/// position. Valid during the call it is passed to.
struct HeadCache {
  std::span<const std::int64_t> positions;  ///< [cached] original positions, ascending
  std::span<const float> key_norms;         ///< [cached] L2 norms; empty unless asked for
  AttentionRows attention;                  ///< query heads of this KV head (or of the layer)
};

/// What a policy sees of its layer: one HeadCache for Scope::kLayer, one per KV head otherwise.
struct CacheView {
  std::int64_t step = 0;  ///< position of the newest token seen
  std::span<const HeadCache> heads;
};

/// Victims by view index (not position), one ascending list per HeadCache. `margin` is how far the
/// victim's score lay from the runner-up (absolute), for traces; NaN where it has no meaning.
struct EvictionPlan {
  std::vector<std::vector<std::size_t>> victims;
  std::vector<double> margin;

  void reset(std::size_t heads) {
    victims.resize(heads);
    for (auto& list : victims) list.clear();
    margin.assign(heads, 0.0);
  }
};

/// One instance serves one layer of one sequence. Calls come from one thread, in this order:
/// observe(), then select() when the cache is over budget and an update is due, then
/// applied() with the plan the engine validated and carried out.
class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;
  /// After the attention of the newest token(s), before eviction. The newest token is in the view.
  /// Called for every token where the policy reads attention or key norms with last_rows == 0, or
  /// has no fixed size; otherwise only for tokens that overflow the budget.
  virtual void observe(const CacheView& /*view*/) {}
  /// Who leaves, so that at most `budget` tokens stay per HeadCache.
  virtual void select(const CacheView& view, std::size_t budget, EvictionPlan& plan) = 0;
  /// The plan was carried out: per-token state drops the same indices.
  virtual void applied(const EvictionPlan& /*plan*/) {}

  /// Puts everything that later decisions depend on, names beginning with `prefix`; load() of it
  /// into a new instance goes on bit for bit. For policies with a memory of their own.
  virtual void save(StateWriter& /*out*/, const std::string& /*prefix*/) const {}
  /// Throws Error(kData) on what save() cannot have written.
  virtual void load(const StateReader& /*in*/, const std::string& /*prefix*/) {}
};

/// Checks a plan against the view it was made for: one list per head, indices in range, strictly
/// ascending, and (for fixed_size policies) exactly enough victims.
/// Throws Error(kPolicy) that names the policy and what is wrong.
void validate_plan(const EvictionPlan& plan, const CacheView& view, std::size_t budget,
                   const PolicyTraits& traits, const std::string& policy_name);

}  // namespace lethe::policies
