// SPDX-License-Identifier: Apache-2.0
// The policy interface: who leaves the cache. Policies see host numbers, never tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
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
  /// cut are wanted (SnapKV's observation window); a policy without history says 1.
  int last_rows = 0;
  /// The policy is asked for victims every `update_interval` tokens (NAMM: 512), which the schedule
  /// must say too.
  int update_interval = 1;
  /// Not an eviction from a cache but the memory of a recurrent model (policies/rmt.h).
  bool recurrent = false;
  /// Defined for a cut after every token only; other schedules are refused.
  bool exact_only = false;
  /// Not a memory a model could have: before its first decision the policy is shown what attention
  /// over the *whole* text, later queries included, gives every token (preview()).
  bool reads_whole_text = false;
  /// The first `pinned` positions never leave (sinks). The engine keeps them: a policy's view and
  /// budget leave them out.
  std::int64_t pinned = 0;
  /// Smallest budget the policy can keep, pinned tokens not counted.
  std::int64_t least_budget = 1;
  /// False: the policy keeps what it likes and takes no budget (full).
  bool takes_budget = true;
  /// False: select() may return nothing although the cache is over budget (NAMM without a cap).
  bool fixed_size = true;
};

/// Softmax weights of the most recent query rows over the cached tokens of one HeadCache: logical
/// shape [rows, query heads, cached]. Values live in slots; the index list `order` maps view index
/// -> slot, so reading through it costs a gather, and the reductions below, which run over whole
/// slots first, are the fast way.
class AttentionRows {
 public:
  AttentionRows() = default;
  /// `T` is float, or double when the cell computes in float64. `head_stride` and `row_stride`
  /// count elements; `slots` is the number of slots in one row.
  template <typename T>
  AttentionRows(const T* data, int rows, int heads, std::size_t row_stride, std::size_t head_stride,
                std::size_t slots, std::span<const std::int32_t> order)
      : values_(Values<T>{data, nullptr}),
        rows_(rows),
        heads_(heads),
        row_stride_(row_stride),
        head_stride_(head_stride),
        slots_(slots),
        order_(order) {}

  /// One row whose values are not yet weights: those of query head h are still to be multiplied by
  /// factors[h * stride].
  template <typename T>
  AttentionRows scaled_by(const T* factors, std::size_t stride) const {
    AttentionRows scaled = *this;
    std::get<Values<T>>(scaled.values_).factors = factors;
    scaled.factor_stride_ = stride;
    return scaled;
  }

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
  template <typename T>
  struct Values {
    const T* data;
    const T* factors;  ///< null: the values are weights
  };

  std::variant<Values<float>, Values<double>> values_;
  int rows_ = 0;
  int heads_ = 0;
  std::size_t row_stride_ = 0;
  std::size_t head_stride_ = 0;
  std::size_t slots_ = 0;
  std::size_t factor_stride_ = 0;
  std::span<const std::int32_t> order_;
};

/// The cached tokens of one KV head, or of the whole layer for Scope::kLayer, in ascending order of
/// position. Valid during the call it is passed to.
struct HeadCache {
  std::span<const std::int64_t> positions;  ///< [cached] original positions, ascending
  std::span<const double> key_norms;        ///< [cached] L2 norms; empty unless asked for
  /// Query heads of this KV head (or of the layer). One row, the newest query's; at a cut
  /// traits.last_rows of them where more are asked for, the newest last.
  AttentionRows attention;
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
/// observe(), then, at a cut of the schedule that finds the cache over budget, select() and
/// applied() with the plan the engine validated and carried out. Tokens that the model itself
/// loses (a sliding window's) leave by an applied() of their own before select().
class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;
  /// Once, before anything else, where traits.reads_whole_text: `sums[h][i]` is the attention that
  /// token i receives from all queries of the text under dense causal attention of this layer,
  /// mean over the query heads of KV head h (of the layer for Scope::kLayer).
  virtual void preview(std::span<const std::vector<double>> /*sums*/) {}
  /// After the attention of the newest token(s), before eviction. The newest token is in the view.
  /// Called for every token where the policy reads attention or key norms with last_rows == 0;
  /// otherwise only at cuts (of fixed_size policies: those that find the cache over budget).
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
