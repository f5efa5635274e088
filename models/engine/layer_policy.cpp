// SPDX-License-Identifier: Apache-2.0
#include "models/engine/layer_policy.h"

#include <algorithm>
#include <limits>

#include "harness/base/error.h"

namespace lethe::models {
namespace {

constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::min();
constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

}  // namespace

LayerPolicy::LayerPolicy(const policies::PolicyPlan& plan, const policies::LayerContext& context,
                         const EvaluateOptions& options, std::int64_t window)
    : plan_(plan),
      schedule_(options.schedule),
      policy_(plan.make(context)),
      layer_(context.layer),
      window_(window),
      budget_(options.budget ? static_cast<std::size_t>(
                                   policies::budget_in_layer(plan, context, *options.budget) -
                                   plan.traits.pinned)
                             : kNoLimit),
      pinned_(static_cast<std::size_t>(plan.traits.pinned)),
      observer_(options.observer) {
  const std::size_t tables =
      plan.traits.scope == policies::Scope::kLayer ? 1 : static_cast<std::size_t>(context.kv_heads);
  heads_.resize(tables);
  skipped_.resize(tables);
  freed_.resize(tables);
  if (plan.traits.last_rows > 1) history_.resize(tables);
}

void LayerPolicy::preview(const std::vector<std::vector<double>>& sums) {
  if (heads_.size() > 1) {
    policy_->preview(sums);
    return;
  }
  std::vector<double> mean(sums.front().size());
  for (const auto& head : sums) {
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += head[i];
  }
  for (double& value : mean) value /= static_cast<double>(sums.size());
  policy_->preview({&mean, 1});
}

bool LayerPolicy::in_observation_window(std::int64_t step) const {
  if (traits().last_rows <= 1) return false;
  const std::int64_t cut = schedule_.next_cut(step);
  return cut - step < traits().last_rows;
}

// Pinned tokens have the lowest positions, so they stand first; a sliding window may take them.
std::size_t LayerPolicy::pinned_live(const SlotTable& table) const {
  std::size_t count = std::min(pinned_, table.live());
  while (count > 0 && table.positions()[count - 1] >= static_cast<std::int64_t>(pinned_)) --count;
  return count;
}

bool LayerPolicy::over_budget(const LayerCache& cache) const {
  return std::any_of(cache.tables().begin(), cache.tables().end(), [&](const SlotTable& table) {
    return table.live() - pinned_live(table) > budget_;
  });
}

// Row t + 1 of a sliding-window model sees positions > t + 1 - window: what stands before is lost.
std::int64_t LayerPolicy::last_lost(std::int64_t step) const {
  return window_ > 0 ? step + 1 - window_ : kNone;
}

bool LayerPolicy::loses_to_window(std::int64_t step, const LayerCache& cache) const {
  const std::int64_t last = last_lost(step);
  return last >= 0 &&
         std::any_of(cache.tables().begin(), cache.tables().end(), [&](const SlotTable& table) {
           return table.live() > 0 && table.positions().front() <= last;
         });
}

bool LayerPolicy::reads_row(std::int64_t step, const LayerCache& cache) const {
  if (!traits().reads_attention) return false;
  if (wants_every_row() || in_observation_window(step)) return true;
  return schedule_.next_cut(step) == step && (!traits().fixed_size || over_budget(cache));
}

bool LayerPolicy::may_read(std::int64_t first_step, std::int64_t rows) const {
  if (!traits().reads_attention) return false;
  if (wants_every_row()) return true;
  const std::int64_t before_cut = schedule_.next_cut(first_step) - (first_step + rows - 1);
  return before_cut < std::max(1, traits().last_rows);
}

// The first cut at or after `step` that may find more than `room` tokens added since, none of which
// left before. At least `end` when there is none before it.
std::int64_t LayerPolicy::first_choice(std::int64_t step, std::int64_t room,
                                       std::int64_t end) const {
  if (!traits().fixed_size) return schedule_.next_cut(step);
  if (budget_ == kNoLimit) return end;
  std::int64_t cut = schedule_.next_cut(step);
  while (cut < end && cut - step + 1 <= room) cut = schedule_.next_cut(cut + 1);
  return cut;
}

std::int64_t LayerPolicy::untouched(std::int64_t tokens) const {
  return std::min(tokens, first_choice(0, static_cast<std::int64_t>(budget_ + pinned_), tokens));
}

std::int64_t LayerPolicy::rows_before_loss(std::int64_t first_step, std::int64_t rows,
                                           const LayerCache& cache) const {
  std::int64_t safe = rows;
  std::size_t most = 0;
  for (const auto& table : cache.tables()) {
    most = std::max(most, table.live() - pinned_live(table));
    if (window_ == 0) continue;
    const std::int64_t oldest = table.live() > 0 ? table.positions().front() : first_step;
    safe = std::min(safe, oldest + window_ - first_step);
  }
  const auto room = static_cast<std::int64_t>(budget_) - static_cast<std::int64_t>(most);
  const std::int64_t cut = first_choice(first_step, room, first_step + rows);
  if (cut < first_step + rows) safe = std::min(safe, cut - first_step + 1);
  return std::max<std::int64_t>(1, safe);
}

std::int64_t LayerPolicy::past_observation(std::int64_t rows) const {
  if (rows == 0 || !in_observation_window(rows - 1)) return rows;
  return schedule_.next_cut(rows - 1) + 1;
}

void LayerPolicy::count_attended(const LayerCache& cache) {
  for (const auto& table : cache.tables()) attended_ += static_cast<std::int64_t>(table.live());
}

policies::CacheView LayerPolicy::view_of(std::int64_t step, const LayerCache& cache,
                                         const AttentionOf& attention, bool with_attention) {
  const auto& tables = cache.tables();
  for (std::size_t t = 0; t < tables.size(); ++t) {
    const std::size_t skip = skipped_[t] = pinned_live(tables[t]);
    heads_[t].positions = tables[t].positions().subspan(skip);
    const auto norms = tables[t].key_norms();
    heads_[t].key_norms = norms.empty() ? norms : norms.subspan(skip);
    heads_[t].attention = {};
    if (!with_attention) continue;
    heads_[t].attention =
        history_.empty() ? attention(t, tables[t].order().subspan(skip)) : history_[t].view();
  }
  return {step, heads_};
}

void LayerPolicy::remember(const LayerCache& cache, const AttentionOf& attention) {
  for (std::size_t t = 0; t < history_.size(); ++t) {
    const auto& table = cache.tables()[t];
    history_[t].push(attention(t, table.order().subspan(pinned_live(table))));
  }
}

// What no later row of the model can see leaves first, whatever the policy thinks of it.
void LayerPolicy::drop_lost(std::int64_t step, LayerCache& cache) {
  const std::int64_t last = last_lost(step);
  const std::size_t tables = cache.tables().size();
  plan_now_.reset(tables);
  lost_in_view_.reset(tables);
  for (std::size_t t = 0; t < tables; ++t) {
    const auto positions = cache.tables()[t].positions();
    const std::size_t skip = pinned_live(cache.tables()[t]);
    for (std::size_t i = 0; i < positions.size() && positions[i] <= last; ++i) {
      plan_now_.victims[t].push_back(i);
      if (i >= skip) lost_in_view_.victims[t].push_back(i - skip);
    }
    lost_ += static_cast<std::int64_t>(plan_now_.victims[t].size());
    if (!history_.empty()) history_[t].drop_front(lost_in_view_.victims[t].size());
  }
  std::fill(skipped_.begin(), skipped_.end(), std::size_t{0});  // from the front, pinned or not
  const auto& freed = cache.apply(plan_now_, skipped_);
  for (std::size_t t = 0; t < tables; ++t) {
    freed_[t].insert(freed_[t].end(), freed[t].begin(), freed[t].end());
  }
  policy_->applied(lost_in_view_);
}

void LayerPolicy::evict(std::int64_t step, LayerCache& cache, const policies::CacheView& view) {
  const std::size_t tables = cache.tables().size();
  plan_now_.reset(tables);
  policy_->select(view, budget_, plan_now_);
  policies::validate_plan(plan_now_, view, budget_, traits(), plan_.text);
  plan_now_.margin.resize(tables, std::numeric_limits<double>::quiet_NaN());
  for (std::size_t t = 0; t < tables; ++t) {
    evicted_ += static_cast<std::int64_t>(plan_now_.victims[t].size());
    if (!observer_) continue;
    const int head = tables == 1 ? -1 : static_cast<int>(t);
    for (const std::size_t index : plan_now_.victims[t]) {
      observer_->evicted(step, layer_, head, heads_[t].positions[index], plan_now_.margin[t]);
    }
  }
  const auto& freed = cache.apply(plan_now_, skipped_);
  for (std::size_t t = 0; t < tables; ++t) {
    freed_[t].insert(freed_[t].end(), freed[t].begin(), freed[t].end());
  }
  policy_->applied(plan_now_);
}

const std::vector<std::vector<std::int32_t>>& LayerPolicy::after_token(
    std::int64_t step, LayerCache& cache, const AttentionOf& attention) {
  for (auto& slots : freed_) slots.clear();
  count_attended(cache);
  const bool cut = schedule_.next_cut(step) == step;
  const bool decides = cut && (!traits().fixed_size || over_budget(cache));
  if (in_observation_window(step)) remember(cache, attention);
  const bool reads = reads_row(step, cache) && (history_.empty() || decides);
  // A policy without history need not be bothered while everything fits.
  if (decides || wants_every_row()) policy_->observe(view_of(step, cache, attention, reads));
  const bool lost = loses_to_window(step, cache);
  if (lost) drop_lost(step, cache);
  if (decides && (!lost || !traits().fixed_size || over_budget(cache))) {
    evict(step, cache,
          lost ? view_of(step, cache, attention, reads) : policies::CacheView{step, heads_});
  }
  if (cut) {
    for (auto& rows : history_) rows.clear();
  }
  return freed_;
}

void LayerPolicy::save(StateWriter& out, const std::string& prefix) const {
  out.put_value(prefix + "evicted", evicted_);
  out.put_value(prefix + "lost", lost_);
  out.put_value(prefix + "attended", attended_);
  for (std::size_t t = 0; t < history_.size(); ++t) {
    history_[t].save(out, prefix + "rows." + std::to_string(t) + ".");
  }
  policy_->save(out, prefix + "policy.");
}

void LayerPolicy::load(const StateReader& in, const std::string& prefix) {
  evicted_ = in.get_value<std::int64_t>(prefix + "evicted");
  lost_ = in.get_value<std::int64_t>(prefix + "lost");
  attended_ = in.get_value<std::int64_t>(prefix + "attended");
  for (std::size_t t = 0; t < history_.size(); ++t) {
    history_[t].load(in, prefix + "rows." + std::to_string(t) + ".");
  }
  policy_->load(in, prefix + "policy.");
}

// What a table of a policy of fixed size must have attended to, summed over `seen` tokens: under
// the exact schedule the sum of min(t, budget + 1) (TOVA Table 2, row "Avg.").
std::int64_t LayerPolicy::expected_attended(std::int64_t seen) const {
  const auto capacity = static_cast<std::int64_t>(budget_ + pinned_);
  std::int64_t live = 0, sum = 0;
  for (std::int64_t step = 0; step < seen; ++step) {
    sum += ++live;
    if (schedule_.next_cut(step) == step) live = std::min(live, capacity);
  }
  return sum;
}

LayerStats LayerPolicy::finish(std::int64_t seen, const LayerCache& cache) const {
  const auto tables = static_cast<std::int64_t>(cache.tables().size());
  LayerStats stats;
  stats.seen = seen;
  stats.evicted = evicted_;
  stats.lost = lost_;
  stats.mean_lifetime =
      static_cast<double>(attended_) / static_cast<double>(tables) / static_cast<double>(seen);
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
  // How many a sliding window takes depends on which the policy kept.
  const bool countable = traits().takes_budget && traits().fixed_size && window_ == 0;
  if (countable && attended_ != tables * expected_attended(seen)) {
    throw Error(ErrorKind::kInternal, "layer " + std::to_string(layer_) + ": policy '" +
                                          plan_.text + "' attended to " +
                                          std::to_string(attended_) + " tokens in all, expected " +
                                          std::to_string(tables * expected_attended(seen)) +
                                          " of its budget and schedule '" + schedule_.text() + "'");
  }
  return stats;
}

}  // namespace lethe::models
