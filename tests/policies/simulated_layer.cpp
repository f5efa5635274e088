// SPDX-License-Identifier: Apache-2.0
#include "tests/policies/simulated_layer.h"

#include <algorithm>

#include "harness/base/state_file.h"

namespace lethe::policies {
namespace {

using Live = std::vector<std::vector<std::int64_t>>;  // [tables] positions, ascending

std::size_t index(std::int64_t value) {
  return static_cast<std::size_t>(value);
}

/// Runs `at_cut` after the tokens that the schedule cuts after; `arrived` sees every token.
void walk_text(const SimulatedLayer& layer, const Schedule& schedule, Live& live, Log& log,
               const std::function<void(std::int64_t)>& arrived,
               const std::function<void(std::int64_t)>& at_cut) {
  for (std::int64_t step = 0; step < layer.tokens; ++step) {
    for (auto& positions : live) {
      positions.push_back(step);
      log.most_live = std::max(log.most_live, static_cast<std::int64_t>(positions.size()));
    }
    arrived(step);
    if (schedule.next_cut(step) == step) at_cut(step);
  }
}

/// The engine's side for one policy: views of what is live, rows in shuffled slots.
class Engine {
 public:
  Engine(const PolicyPlan& plan, const SimulatedLayer& layer, const Walk& how)
      : plan_(plan),
        layer_(layer),
        how_(how),
        tables_(tables_of(layer, plan.traits.scope)),
        live_(tables_.size()),
        rows64_(tables_.size()),
        rows32_(tables_.size()),
        orders_(tables_.size()),
        norms_(tables_.size()),
        budget_(index(how.budget - plan.traits.pinned)) {
    context_.kv_heads = layer.kv_heads;
    context_.group = layer.group;
    context_.seed = how.seed;
    policy_ = plan.make(context_);
    if (plan.traits.reads_whole_text) policy_->preview(sums_of_text());
  }

  Log run() {
    walk_text(
        layer_, how_.schedule, live_, log_, [&](std::int64_t step) { arrived(step); },
        [&](std::int64_t step) { cut(step); });
    return std::move(log_);
  }

 private:
  const PolicyTraits& traits() const { return plan_.traits; }
  bool wants_every_row() const {
    return (traits().reads_attention || traits().reads_key_norms) && traits().last_rows == 0;
  }
  std::size_t skipped(std::size_t table) const {
    return std::min(index(traits().pinned), live_[table].size());
  }

  std::vector<std::vector<double>> sums_of_text() const {
    std::vector<std::vector<double>> sums;
    for (const HeadRange& range : tables_) {
      sums.emplace_back(index(layer_.tokens), 0.0);
      for (std::int64_t key = 0; key < layer_.tokens; ++key) {
        for (std::int64_t query = key; query < layer_.tokens; ++query) {
          for (int head = range.first; head < range.first + range.heads; ++head) {
            sums.back()[index(key)] += layer_.weight(query, head, key) / range.heads;
          }
        }
      }
    }
    return sums;
  }

  CacheView view_of(std::int64_t step, int rows) {
    heads_.assign(tables_.size(), {});
    // Slots are a permutation of the tokens: 7 and the number of slots have no common factor.
    std::size_t slots = index(layer_.tokens) + 5;
    while (slots % 7 == 0) ++slots;
    for (std::size_t t = 0; t < tables_.size(); ++t) {
      const auto positions = std::span<const std::int64_t>(live_[t]).subspan(skipped(t));
      const HeadRange& range = tables_[t];
      heads_[t].positions = positions;
      orders_[t].clear();
      norms_[t].clear();
      for (const std::int64_t position : positions) {
        orders_[t].push_back(static_cast<std::int32_t>((index(position) * 7 + 3) % slots));
        double norm = 0;
        for (int head = 0; head < range.kv_heads; ++head) {
          norm += layer_.norm(range.first_kv + head, position);
        }
        norms_[t].push_back(norm / range.kv_heads);
      }
      if (traits().reads_key_norms) heads_[t].key_norms = norms_[t];
      if (!traits().reads_attention) continue;
      rows64_[t].assign(static_cast<std::size_t>(rows * range.heads) * slots, 0.0);
      for (int row = 0; row < rows; ++row) {
        for (int head = 0; head < range.heads; ++head) {
          double* out =
              rows64_[t].data() + static_cast<std::size_t>(row * range.heads + head) * slots;
          for (std::size_t i = 0; i < positions.size(); ++i) {
            out[orders_[t][i]] =
                layer_.weight(step - rows + 1 + row, range.first + head, positions[i]);
          }
        }
      }
      const std::size_t row_stride = static_cast<std::size_t>(range.heads) * slots;
      if (how_.single) {
        rows32_[t].assign(rows64_[t].begin(), rows64_[t].end());
        heads_[t].attention = AttentionRows(rows32_[t].data(), rows, range.heads, row_stride, slots,
                                            slots, orders_[t]);
      } else {
        heads_[t].attention = AttentionRows(rows64_[t].data(), rows, range.heads, row_stride, slots,
                                            slots, orders_[t]);
      }
    }
    return {step, heads_};
  }

  void arrived(std::int64_t step) {
    if (how_.resume_at == step) {
      StateWriter writer;
      policy_->save(writer, "policy.");
      const StateReader reader(writer.finish("walk"), "walk");
      policy_ = plan_.make(context_);
      policy_->load(reader, "policy.");
    }
    if (wants_every_row()) policy_->observe(view_of(step, 1));
  }

  void cut(std::int64_t step) {
    const bool over = [&] {
      for (std::size_t t = 0; t < tables_.size(); ++t) {
        if (live_[t].size() - skipped(t) > budget_) return true;
      }
      return false;
    }();
    if (traits().takes_budget && traits().fixed_size && !over) return;
    const CacheView view = view_of(step, std::max(1, traits().last_rows));
    if (!wants_every_row()) policy_->observe(view);
    EvictionPlan plan;
    plan.reset(tables_.size());
    policy_->select(view, budget_, plan);
    validate_plan(plan, view, budget_, traits(), plan_.text);
    for (std::size_t t = 0; t < tables_.size(); ++t) {
      if (plan.victims[t].empty()) continue;
      Departure gone{step, static_cast<int>(t), {}};
      for (const std::size_t i : plan.victims[t])
        gone.positions.push_back(view.heads[t].positions[i]);
      for (auto it = plan.victims[t].rbegin(); it != plan.victims[t].rend(); ++it) {
        live_[t].erase(live_[t].begin() + static_cast<std::ptrdiff_t>(*it + skipped(t)));
      }
      log_.departures.push_back(std::move(gone));
      log_.margins.push_back(plan.margin[t]);
    }
    policy_->applied(plan);
  }

  const PolicyPlan& plan_;
  const SimulatedLayer& layer_;
  const Walk& how_;
  std::vector<HeadRange> tables_;
  Live live_;
  std::vector<std::vector<double>> rows64_;
  std::vector<std::vector<float>> rows32_;
  std::vector<std::vector<std::int32_t>> orders_;
  std::vector<std::vector<double>> norms_;
  std::vector<HeadCache> heads_;
  std::size_t budget_;
  LayerContext context_;
  std::unique_ptr<EvictionPolicy> policy_;
  Log log_;
};

}  // namespace

double SimulatedLayer::weight(std::int64_t query, int head, std::int64_t key) const {
  return weights.at(index((query * heads() + head) * tokens + key));
}

double SimulatedLayer::norm(int kv_head, std::int64_t key) const {
  return norms.at(index(kv_head * tokens + key));
}

SimulatedLayer layer_of(const std::vector<std::vector<double>>& rows,
                        const std::vector<double>& norms) {
  SimulatedLayer layer;
  layer.tokens = static_cast<std::int64_t>(std::max(rows.size(), norms.size()));
  layer.weights.assign(index(layer.tokens * layer.tokens), 0.0);
  for (std::size_t t = 0; t < rows.size(); ++t) {
    std::copy(rows[t].begin(), rows[t].end(),
              layer.weights.begin() + static_cast<std::ptrdiff_t>(t) * layer.tokens);
  }
  layer.norms = norms;
  layer.norms.resize(index(layer.tokens), 1.0);
  return layer;
}

SimulatedLayer random_layer(RandomStream& random, std::int64_t tokens, int kv_heads, int group,
                            bool coarse) {
  SimulatedLayer layer{tokens, kv_heads, group, {}, {}};
  layer.weights.resize(index(tokens * layer.heads() * tokens));
  layer.norms.resize(index(kv_heads * tokens));
  const auto draw = [&] {
    return coarse ? static_cast<double>(random.below(5)) / 8 : random.uniform();
  };
  for (std::int64_t query = 0; query < tokens; ++query) {
    for (int head = 0; head < layer.heads(); ++head) {
      for (std::int64_t key = 0; key <= query; ++key) {
        layer.weights[index((query * layer.heads() + head) * tokens + key)] = draw();
      }
    }
  }
  for (double& norm : layer.norms) norm = 1 + draw();
  return layer;
}

std::vector<HeadRange> tables_of(const SimulatedLayer& layer, Scope scope) {
  if (scope == Scope::kLayer) return {{0, layer.kv_heads, 0, layer.heads()}};
  std::vector<HeadRange> tables;
  for (int head = 0; head < layer.kv_heads; ++head) {
    tables.push_back({head, 1, head * layer.group, layer.group});
  }
  return tables;
}

Log walk(const PolicyPlan& plan, const SimulatedLayer& layer, const Walk& how) {
  return Engine(plan, layer, how).run();
}

Log walk_naively(const PolicyTraits& traits, const NaiveRule& rule, const SimulatedLayer& layer,
                 const Walk& how) {
  const auto tables = tables_of(layer, traits.scope);
  Live live(tables.size());
  Log log;
  const auto cut = [&](std::int64_t step) {
    for (std::size_t t = 0; t < tables.size(); ++t) {
      std::vector<std::int64_t> candidates;
      for (const std::int64_t p : live[t]) {
        if (p >= traits.pinned) candidates.push_back(p);
      }
      const std::size_t budget = index(how.budget - traits.pinned);
      if (traits.fixed_size && candidates.size() <= budget) continue;
      auto victims = rule(layer, tables[t], candidates, step, budget);
      if (victims.empty()) continue;
      std::sort(victims.begin(), victims.end());
      for (const std::int64_t victim : victims) {
        live[t].erase(std::find(live[t].begin(), live[t].end(), victim));
      }
      log.departures.push_back({step, static_cast<int>(t), std::move(victims)});
    }
  };
  walk_text(
      layer, how.schedule, live, log, [](std::int64_t) {}, cut);
  return log;
}

Walk random_walk(RandomStream& random, const PolicyPlan& plan, std::int64_t tokens) {
  const PolicyTraits& traits = plan.traits;
  const auto below = [&](std::int64_t bound) {
    return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(bound)));
  };
  Walk how;
  how.seed = random.next();
  how.single = random.below(2) == 0;
  how.budget = traits.pinned + traits.least_budget + below(tokens / 2);
  using Kind = Schedule::Kind;
  const Kind kinds[] = {Kind::kExact, Kind::kBlock, Kind::kPostPrompt, Kind::kPrefillOnly,
                        Kind::kEvery};
  while (true) {
    how.schedule = {kinds[random.below(5)], 1, 0};
    if (how.schedule.kind == Kind::kBlock || how.schedule.kind == Kind::kEvery) {
      how.schedule.block =
          traits.update_interval > 1 ? traits.update_interval : traits.last_rows + 1 + below(9);
    }
    if (how.schedule.needs_prompt()) how.schedule.prompt = tokens / 2 + below(tokens / 2);
    try {
      check_schedule(plan, how.schedule);
      return how;
    } catch (const Error&) {
      continue;  // not for this policy: draw again
    }
  }
}

}  // namespace lethe::policies
