// SPDX-License-Identifier: Apache-2.0
#include "models/engine/layer_policy.h"

#include <algorithm>
#include <limits>

#include "harness/base/error.h"

namespace lethe::models {

LayerPolicy::LayerPolicy(const policies::PolicyPlan& plan, const policies::LayerContext& context,
                         std::optional<std::int64_t> budget, EvaluationObserver* observer)
    : plan_(plan),
      policy_(plan.make(context)),
      layer_(context.layer),
      budget_(budget ? static_cast<std::size_t>(*budget - plan.traits.pinned)
                     : std::numeric_limits<std::size_t>::max()),
      pinned_(static_cast<std::size_t>(plan.traits.pinned)),
      observer_(observer) {
  if (plan.traits.last_rows > 1 || plan.traits.update_interval > 1) {
    throw Error(ErrorKind::kPolicy,
                "policy '" + plan.text +
                    "' decides over blocks of tokens; the schedule 'exact' decides "
                    "after every token");
  }
}

bool LayerPolicy::keeps_all(const LayerCache& cache, std::int64_t rows) const {
  const auto fits = [&](const SlotTable& table) {
    return table.live() + static_cast<std::size_t>(rows) <= pinned_ ||
           table.live() + static_cast<std::size_t>(rows) - pinned_ <= budget_;
  };
  return traits().fixed_size && std::all_of(cache.tables().begin(), cache.tables().end(), fits);
}

policies::CacheView LayerPolicy::view_of(std::int64_t step, const LayerCache& cache,
                                         const AttentionOf& attention) {
  const auto& tables = cache.tables();
  heads_.resize(tables.size());
  for (std::size_t t = 0; t < tables.size(); ++t) {
    // Pinned tokens have the lowest positions, so they stand first and the view begins after them.
    const std::size_t skip = std::min(pinned_, tables[t].live());
    heads_[t].positions = tables[t].positions().subspan(skip);
    const auto norms = tables[t].key_norms();
    heads_[t].key_norms = norms.empty() ? norms : norms.subspan(skip);
    if (traits().reads_attention)
      heads_[t].attention = attention(t, tables[t].order().subspan(skip));
  }
  return {step, heads_};
}

const std::vector<std::vector<std::int32_t>>& LayerPolicy::after_token(
    std::int64_t step, LayerCache& cache, const AttentionOf& attention) {
  const std::size_t tables = cache.tables().size();
  const bool over_budget =
      std::any_of(cache.tables().begin(), cache.tables().end(), [&](const SlotTable& table) {
        return table.live() > pinned_ && table.live() - pinned_ > budget_;
      });
  nothing_freed_.resize(tables);
  // A policy without history need not be bothered while everything fits.
  if (!over_budget && !wants_every_row() && traits().fixed_size) return nothing_freed_;

  const policies::CacheView view = view_of(step, cache, attention);
  policy_->observe(view);
  if (!over_budget && traits().fixed_size) return nothing_freed_;
  victims_.reset(tables);
  policy_->select(view, budget_, victims_);
  policies::validate_plan(victims_, view, budget_, traits(), plan_.text);
  victims_.margin.resize(tables, std::numeric_limits<double>::quiet_NaN());
  for (std::size_t t = 0; t < tables; ++t) {
    evicted_ += static_cast<std::int64_t>(victims_.victims[t].size());
    if (!observer_) continue;
    const int head = tables == 1 ? -1 : static_cast<int>(t);
    for (const std::size_t index : victims_.victims[t]) {
      observer_->evicted(step, layer_, head, heads_[t].positions[index], victims_.margin[t]);
    }
  }
  const auto& freed = cache.apply(victims_, pinned_);
  policy_->applied(victims_);
  return freed;
}

void LayerPolicy::save(StateWriter& out, const std::string& prefix) const {
  out.put_value(prefix + "evicted", evicted_);
  policy_->save(out, prefix + "policy.");
}

void LayerPolicy::load(const StateReader& in, const std::string& prefix) {
  evicted_ = in.get_value<std::int64_t>(prefix + "evicted");
  policy_->load(in, prefix + "policy.");
}

LayerStats LayerPolicy::finish(std::int64_t seen, const LayerCache& cache) const {
  LayerStats stats;
  stats.seen = seen;
  stats.evicted = evicted_;
  stats.kept_min = std::numeric_limits<std::int64_t>::max();
  for (std::size_t t = 0; t < cache.tables().size(); ++t) {
    const auto& table = cache.tables()[t];
    const auto live = static_cast<std::int64_t>(table.live());
    stats.kept_min = std::min(stats.kept_min, live);
    stats.kept_max = std::max(stats.kept_max, live);
    if (observer_)
      observer_->kept(layer_, cache.tables().size() == 1 ? -1 : static_cast<int>(t),
                      table.positions());
  }
  return stats;
}

}  // namespace lethe::models
