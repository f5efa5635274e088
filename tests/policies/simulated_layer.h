// SPDX-License-Identifier: Apache-2.0
// One attention layer made of plain numbers, and a walk of a policy over it: the engine's side of
// the policy interface without an engine.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "harness/base/seed.h"
#include "policies/registry.h"
#include "policies/schedule.h"

namespace lethe::policies {

/// Weights and key norms that do not depend on what is cached. The weights of a query do not sum to
/// one: no policy needs that, and so a reference can look them up without knowing the cache.
struct SimulatedLayer {
  std::int64_t tokens = 0;
  int kv_heads = 1, group = 1;
  std::vector<double> weights;  ///< [query, query head, key], 0 for later keys
  std::vector<double> norms;    ///< [KV head, key]

  int heads() const { return kv_heads * group; }
  double weight(std::int64_t query, int head, std::int64_t key) const;
  double norm(int kv_head, std::int64_t key) const;
};

/// One KV head with one query head: row t has the weights of query t over tokens 0 … t.
SimulatedLayer layer_of(const std::vector<std::vector<double>>& rows,
                        const std::vector<double>& norms = {});
/// `coarse`: few distinct values, exact in binary, so that ties are frequent and sums exact.
SimulatedLayer random_layer(RandomStream& random, std::int64_t tokens, int kv_heads, int group,
                            bool coarse);

/// Which heads a decision is about: all of the layer, or those of one KV head.
struct HeadRange {
  int first_kv, kv_heads;  ///< KV heads
  int first, heads;        ///< query heads
};
std::vector<HeadRange> tables_of(const SimulatedLayer& layer, Scope scope);

/// Tokens that left one table at one cut.
struct Departure {
  std::int64_t step = 0;
  int table = 0;
  std::vector<std::int64_t> positions;
  bool operator==(const Departure&) const = default;
};

struct Walk {
  Schedule schedule;
  std::int64_t budget = 1;  ///< with the pinned tokens
  std::uint64_t seed = 0;
  bool single = false;  ///< rows in float32
  /// Before this token the policy is saved, and a new instance loaded goes on.
  std::optional<std::int64_t> resume_at;
};

struct Log {
  std::vector<Departure> departures;
  std::vector<double> margins;  ///< of the departures
  std::int64_t most_live = 0;   ///< before a cut
};

/// Walks the text as the engine does: observe(), select(), the check of the plan, applied().
Log walk(const PolicyPlan& plan, const SimulatedLayer& layer, const Walk& how);

/// Who leaves one table, by a rule written down naively: positions from `live` (ascending, the
/// pinned ones left out), at most `budget` of which may stay after token `step`.
using NaiveRule = std::function<std::vector<std::int64_t>(
    const SimulatedLayer& layer, const HeadRange& heads, const std::vector<std::int64_t>& live,
    std::int64_t step, std::size_t budget)>;
/// The same walk by such a rule. It is asked at every cut; an empty answer is no departure.
Log walk_naively(const PolicyTraits& traits, const NaiveRule& rule, const SimulatedLayer& layer,
                 const Walk& how);

/// A schedule and a budget that suit the policy, drawn at random for a text of `tokens`.
Walk random_walk(RandomStream& random, const PolicyPlan& plan, std::int64_t tokens);

}  // namespace lethe::policies
